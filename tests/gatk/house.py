"""What the GATK tests work with: a private folder, the program with its state in it, a server, and checks that are
counted. Needs only Python."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
# Longest wait for a workflow, in seconds: machines are shared.
PATIENCE = 1800
KEY = ("gatktests", "not-a-secret")


class Broken(Exception):
    """A step cannot go on."""


class Checks:
    """What was seen to hold, and what not; several threads may tell."""

    def __init__(self):
        self.failed, self.count, self.lock = [], 0, threading.Lock()
        self.figures, self.began = {}, time.monotonic()

    def step(self, name):
        self._print("[%5.0f s] %s" % (time.monotonic() - self.began, name))

    def __call__(self, name, holds, seen=""):
        with self.lock:
            self.count += 1
            if not holds:
                self.failed.append(name)
        self._print("  %-4s %s%s" % ("ok" if holds else "FAIL", name, "  (%s)" % seen if str(seen) else ""))
        return holds

    def figure(self, name, value):
        with self.lock:
            self.figures[name] = value

    def _print(self, text):
        with self.lock:
            print(text, flush=True)


class Run:
    """A run of the command line that has ended."""

    def __init__(self, code, out, err, seconds, cpu):
        self.code, self.out, self.err, self.seconds, self.cpu = code, out, err, seconds, cpu

    def document(self):
        if self.code:
            raise Broken("ended with %d: %s" % (self.code, self.err[-3000:]))
        return json.loads(self.out)


class House:
    """The folder of these tests, and the programs that they start."""

    def __init__(self, work, program, gatk, data):
        self.work, self.program, self.gatk, self.data = work, program, gatk, data
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(self.path("home"))
        self.config = self.path("config.toml")
        self._configure()

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def _configure(self):
        with open(os.path.join(self.gatk, "images.toml")) as file:
            text = file.read()
        # The data is small: what a compiler of long runs costs would never pay. Results are the same.
        quick = 'env = { GATK_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1" }\n'
        with open(self.config, "w") as file:
            file.write(re.sub(r"(?m)^(root = .*\n)", r"\1" + quick, text))

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHYARD_", "BCS_"))}
        own = {"HOME": self.path("home"), "BATCHYARD_HOME": self.path("state"), "BATCHYARD_CONFIG": self.config}
        return dict(kept, **dict(own, **more))

    def call(self, *words, **more):
        """Runs the program and waits; its own time and that of all its tasks is measured."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run((self.program,) + words, env=self.environment(**more), cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began, cpu)

    def run(self, wdl, inputs, *more, **environment):
        return self.call("run", wdl, "-i", inputs, *more, **environment)

    def write(self, name, document):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(document if isinstance(document, str) else json.dumps(document, indent=1))
        return path

    def inputs(self, name, **changed):
        """Inputs of the data set, with some changed: by the end of their names."""
        with open(os.path.join(self.data, name)) as file:
            inputs = json.load(file)
        for end, value in changed.items():
            names = [key for key in inputs if key.endswith("." + end)]
            if not names:
                raise Broken("%s has no input `%s`" % (name, end))
            for key in names:
                inputs[key] = value
        return inputs


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """The server with all its interfaces, and clients for them."""

    def __init__(self, house):
        self.house, self.process = house, None
        self.rest_port, self.api_port, self.oss_port = free_ports(3)

    def start(self):
        words = ("server", "--port", self.rest_port, "--api-port", self.api_port, "--oss-port", self.oss_port)
        environment = self.house.environment(BATCHYARD_ACCESS_KEY_ID=KEY[0], BATCHYARD_ACCESS_KEY_SECRET=KEY[1])
        with open(self.house.path("server.log"), "ab") as log:
            self.process = subprocess.Popen([self.house.program] + [str(word) for word in words], env=environment, cwd=self.house.work,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the server", lambda: self.answers(), 60)

    def answers(self):
        if self.process.poll() is not None:
            raise Broken("the server ended with %d, see server.log" % self.process.returncode)
        try:
            return bool(self.rest("/engine/v1/version"))
        except (urllib.error.URLError, ConnectionError, Broken):
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def rest(self, path, parts=None):
        """Asks the interface of Cromwell; with parts it is a form that is posted."""
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.rest_port, path))
        if parts:
            mark = uuid.uuid4().hex
            form = "".join('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (mark, name, text) for name, text in parts)
            request.data = (form + "--%s--\r\n" % mark).encode()
            request.add_header("Content-Type", "multipart/form-data; boundary=" + mark)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def submit(self, wdl, inputs, options):
        with open(wdl) as file:
            source = file.read()
        parts = [("workflowSource", source), ("workflowInputs", json.dumps(inputs)), ("workflowOptions", json.dumps(options))]
        return self.rest("/api/workflows/v1", parts)["id"]

    def wait(self, workflow):
        ended = ("Succeeded", "Failed", "Aborted")
        state = wait_for("workflow %s" % workflow, lambda: self.quiet(lambda: self.state(workflow), ended))
        return state, self.rest("/api/workflows/v1/%s/metadata" % workflow)

    def state(self, workflow):
        return self.rest("/api/workflows/v1/%s/status" % workflow)["status"]

    def quiet(self, ask, wanted):
        """An answer that is wanted; nothing while the server is away."""
        try:
            answer = ask()
        except (urllib.error.URLError, ConnectionError):
            return None
        return answer if answer in wanted else None

    def bcs(self, *words):
        """The command line of BatchCompute, as a user starts it."""
        run = self.house.call("bcs", *[str(word) for word in words])
        if run.code:
            raise Broken("bcs %s: %s%s" % (" ".join(map(str, words)), run.out[-1500:], run.err[-1500:]))
        return run.out

    def login(self, folder):
        self.bcs("login", "local", KEY[0], KEY[1], "--endpoint", "http://127.0.0.1:%d" % self.api_port,
                 "--oss-endpoint", "http://127.0.0.1:%d" % self.oss_port)
        self.bcs("set", "-o", folder)

    def job(self, job):
        return json.loads(self.bcs("j", job, "--json"))

    def wait_job(self, job):
        def ended():
            try:
                state = self.job(job)["State"]
            except Broken:
                # The server is away for a moment.
                return None
            return state if state in ("Finished", "Failed", "Stopped") else None
        return wait_for("job %s" % job, ended)

    def asub(self, *words):
        out = self.bcs("asub", *words)
        found = re.search(r"Job created: (job-\w+)", out)
        if not found:
            raise Broken("bcs asub said no job: %s" % out)
        return found.group(1)

    def fetch(self, url, name):
        path = self.house.path("fetched", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.bcs("o", "down", url, path)
        return path


def wait_for(what, look, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise Broken("waited %d s for %s" % (seconds, what))


def tool(*words):
    """Starts a script of the project and returns what it says; its failure breaks the step."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, universal_newlines=True)
    if done.returncode:
        raise Broken("%s ended with %d: %s" % (os.path.basename(words[0]), done.returncode, done.stdout[-3000:]))
    return done.stdout
