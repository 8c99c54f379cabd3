"""Runs the BatchCompute service under load and prints what it costs, in units of the floor where there is one. Called by jobs.sh."""

import argparse
import base64
import email.utils
import hashlib
import hmac
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
import uuid

CORES = os.cpu_count() or 1
KEY, SECRET = "AKBENCH", "SKBENCH"


class Server:
    def __init__(self, program, folder):
        self.folder = folder
        environment = dict(os.environ, BATCHYARD_HOME=os.path.join(folder, "home"))
        environment.update(BATCHYARD_ACCESS_KEY_ID=KEY, BATCHYARD_ACCESS_KEY_SECRET=SECRET)
        words = [program, "server", "--port", "0"]
        begun = time.monotonic()
        self.process = subprocess.Popen(words, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "BatchCompute interface on" in line:
                api, oss = line.split(", ")
                self.api, self.oss = api.rsplit("//", 1)[1].strip(), oss.rsplit("//", 1)[1].strip()
                break
        self.start_ms = (time.monotonic() - begun) * 1000
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory(self, which):
        with open("/proc/%d/status" % self.process.pid) as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(which))

    def ask(self, method, target, body=None, connection=None):
        """Milliseconds, status and body."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Date": email.utils.formatdate(usegmt=True),
            "x-acs-signature-nonce": str(uuid.uuid4()),
            "x-acs-version": "2015-11-11",
        }
        own = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers) if name.startswith("x-acs-"))
        text = "\n".join([method, headers["Accept"], "", headers["Content-Type"], headers["Date"], own + target])
        digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()
        headers["Authorization"] = "acs %s:%s" % (KEY, base64.b64encode(digest).decode())
        begun = time.monotonic()
        connection = connection or http.client.HTTPConnection(self.api, timeout=600)
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        return (time.monotonic() - begun) * 1000, response.status, json.loads(content) if content else None

    def bucket(self, name):
        date = email.utils.formatdate(usegmt=True)
        text = "\n".join(["PUT", "", "", date, "/%s/" % name])
        digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()
        connection = http.client.HTTPConnection(self.oss)
        connection.request("PUT", "/%s/" % name, headers={"Date": date, "Authorization": "OSS %s:%s" % (KEY, base64.b64encode(digest).decode())})
        assert connection.getresponse().status == 200

    def wait(self, job):
        """Asks as seldom as a client may who is not to be measured himself: 200 times a second, by this client, is a tenth of two cores."""
        connection = http.client.HTTPConnection(self.api, timeout=600)
        while True:
            state = self.ask("GET", "/jobs/" + job, connection=connection)[2]["State"]
            if state in ("Finished", "Failed", "Stopped"):
                assert state == "Finished", state
                return
            time.sleep(0.04)

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def job(command, instances, logs=True):
    task = {"Parameters": {"Command": {"CommandLine": command}}, "InstanceCount": instances, "AutoCluster": {"InstanceType": "ecs.n4.small"}}
    if logs:
        task["Parameters"].update(StdoutRedirectPath="oss://logs/l/", StderrRedirectPath="oss://logs/l/")
    return {"Name": "bench", "Priority": 1, "Type": "DAG", "JobFailOnInstanceFail": True, "DAG": {"Tasks": {"task": task}}}


def floor(program, words, scratch):
    numbers = subprocess.run([program, *words, scratch], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(numbers[0]), float(numbers[1])


def cpu_ms(pid):
    with open("/proc/%d/stat" % pid) as stat:
        numbers = stat.read().rsplit(")", 1)[1].split()
    return sum(int(number) for number in numbers[11:15]) * 1000 / os.sysconf("SC_CLK_TCK")


def wide(server, instances, logs):
    used, begun = cpu_ms(server.process.pid), time.monotonic()
    id = server.ask("POST", "/jobs", job("echo hi", instances, logs))[2]["Id"]
    server.wait(id)
    return (time.monotonic() - begun) * 1000, cpu_ms(server.process.pid) - used


def first_instance(server):
    """Milliseconds from the request until the command runs."""
    stamp = os.path.join(server.folder, "stamp")
    begun = time.time()
    id = server.ask("POST", "/jobs", job("date +%%s.%%N > %s" % stamp, 1))[2]["Id"]
    server.wait(id)
    with open(stamp) as file:
        return (float(file.read()) - begun) * 1000


def many_clients(server, program, jobs, clients):
    """Median and 99th percentile, in milliseconds, of creating a job."""
    words = [program, server.api, KEY, SECRET, str(jobs), str(clients)]
    return [float(number) for number in subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()]


def stored_jobs(program, number):
    """A server with so many finished jobs: milliseconds of pages."""
    folder = tempfile.mkdtemp()
    server = Server(program, folder)
    server.wait(server.ask("POST", "/jobs", job("true", 1, False))[2]["Id"])
    server.process.terminate()
    server.process.wait()
    database = sqlite3.connect(os.path.join(folder, "home", "batchyard.db"))
    columns = "owner, name, state, priority, project, message, created_ms, started_ms, ended_ms, spec, plan"
    prefix = "job-00000000%08X00000000" % 1
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO jobs (id, %s) SELECT ? || printf('%%08X', i), %s FROM jobs, n" % (columns, columns),
        (number, prefix),
    )
    counts = "state, started_ms, ended_ms, waiting, running, finished, failed, stopped"
    database.execute(
        "INSERT INTO job_tasks SELECT jobs.id, t.name, 0, '', %s FROM jobs, (SELECT * FROM job_tasks LIMIT 1) t WHERE jobs.id LIKE ?"
        % ", ".join("t." + column for column in counts.split(", ")),
        (prefix + "%",),
    )
    database.commit()
    database.close()
    server = Server(program, folder)
    pages = {}
    for name, target in (
        ("newest", "/jobs?Marker&MaxItemCount=100"),
        ("by state", "/jobs?Marker&MaxItemCount=100&State=Finished"),
        ("in the middle", "/jobs?Marker=%s%08X&MaxItemCount=100" % (prefix, number // 2)),
        ("oldest", "/jobs?IsReverse=False&Marker&MaxItemCount=100&OrderBy=CreationTime"),
    ):
        took = [server.ask("GET", target) for _ in range(7)]
        assert len(took[0][2]["Items"]) == 100
        pages[name] = statistics.median(t[0] for t in took)
    start = server.start_ms
    server.end()
    return start, pages


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batchyard", required=True)
    parser.add_argument("--floor", required=True)
    parser.add_argument("--submit", required=True)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    for name in ("batchyard", "floor", "submit"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    results = {}

    def note(name, value):
        results.setdefault(name, []).append(value)

    for _ in range(arguments.repetitions):
        scratch = tempfile.mkdtemp()
        wall, cpu = floor(arguments.floor, ["scatter", "1000", str(CORES)], scratch)
        shutil.rmtree(scratch)
        for logs in (False, True):
            server = Server(arguments.batchyard, tempfile.mkdtemp())
            server.bucket("logs")
            note("idle memory, MB", server.memory("VmRSS:"))
            took, used = wide(server, 1000, logs)
            kind = "with logs" if logs else "no logs"
            note("1000 instances, %s: wall / floor" % kind, took / wall)
            note("1000 instances, %s: CPU / floor" % kind, used / cpu)
            note("peak memory, MB", server.memory("VmHWM:"))
            server.end()
        server = Server(arguments.batchyard, tempfile.mkdtemp())
        server.bucket("logs")
        for _ in range(5):
            note("create to first instance, ms", first_instance(server))
        median, late = many_clients(server, arguments.submit, 500, 16)
        note("500 jobs by 16 clients: median, ms", median)
        note("500 jobs by 16 clients: p99, ms", late)
        server.end()
    start, pages = stored_jobs(arguments.batchyard, 100_000)
    note("start with 100,000 jobs, ms", start)
    for name, took in pages.items():
        note("page of 100 out of 100,000 jobs, %s, ms" % name, took)
    for name, values in results.items():
        print("%-60s %8.2f %8.2f" % (name, min(values), statistics.median(values)))
    print("minimum and median of %d runs on %d cores, load now %.1f" % (arguments.repetitions, CORES, os.getloadavg()[0]))


main()
