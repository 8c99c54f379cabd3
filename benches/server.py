"""Runs the server under load and prints what it costs, in units of the floor where there is one. Called by server.sh."""

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
import uuid

CORES = os.cpu_count() or 1
ONE = """version 1.0
workflow one { input { String x } call t { input: x = x } output { String y = t.y } }
task t { input { String x } command <<< echo ~{x} >>> output { String y = read_string(stdout()) } }
"""
WIDE = """version 1.0
workflow wide { input { Int n } scatter (i in range(n)) { call t { input: i = i } } output { Array[Int] o = t.o } }
task t { input { Int i } command <<< echo ~{i} >>> output { Int o = read_int(stdout()) } }
"""


class Server:
    def __init__(self, program, folder):
        self.folder = folder
        environment = dict(os.environ, BATCHYARD_HOME=os.path.join(folder, "home"))
        begun = time.monotonic()
        words = [program, "server", "--no-batch", "--port", "0", "-d", os.path.join(folder, "runs")]
        self.process = subprocess.Popen(words, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.address = self.process.stderr.readline().rsplit("//", 1)[1].strip()
        self.start_ms = (time.monotonic() - begun) * 1000

    def memory(self, which):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith(which):
                    return int(line.split()[1]) / 1024

    def ask(self, method, path, body=None, headers={}):
        """Milliseconds until the first byte, until the last, and the body."""
        connection = http.client.HTTPConnection(self.address, timeout=600)
        begun = time.monotonic()
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read(1)
        first = (time.monotonic() - begun) * 1000
        content += response.read()
        return first, (time.monotonic() - begun) * 1000, content

    def submit(self, document, inputs):
        boundary, body = "bench", ""
        for name, text in (("workflowSource", document), ("workflowInputs", json.dumps(inputs))):
            body += '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name, text)
        body += "--%s--\r\n" % boundary
        kind = {"Content-Type": "multipart/form-data; boundary=" + boundary}
        return json.loads(self.ask("POST", "/api/workflows/v1", body.encode(), kind)[2])["id"]

    def run(self, document, inputs):
        """Submits a workflow and waits for its end; returns its id and the wall time in milliseconds."""
        begun = time.monotonic()
        run = self.submit(document, inputs)
        # One connection and a pause: a client that asks all the time takes the cores from what it measures.
        connection = http.client.HTTPConnection(self.address, timeout=600)
        while True:
            connection.request("GET", "/api/workflows/v1/%s/status" % run)
            state = json.loads(connection.getresponse().read())["status"]
            if state == "Succeeded":
                return run, (time.monotonic() - begun) * 1000
            if state in ("Failed", "Aborted"):
                raise SystemExit("a workflow ended as " + state)
            time.sleep(0.02)

    def end(self):
        self.process.terminate()
        self.process.wait()


def floor(program, count, scratch):
    words = subprocess.run([program, "scatter", str(count), str(CORES), scratch], check=True, stdout=subprocess.PIPE, text=True)
    return float(words.stdout.split()[0])


def many_runs(home, count):
    """Fills the state with runs like the one that is there."""
    database = sqlite3.connect(os.path.join(home, "batchyard.db"))
    names = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
    place = {name: n for n, name in enumerate(names)}
    sample = list(database.execute("SELECT * FROM runs LIMIT 1").fetchone())
    rows, labels = [], []
    for n in range(count):
        row = list(sample)
        row[place["id"]], row[place["name"]] = str(uuid.uuid4()), "wf%d" % (n % 50)
        row[place["created_ms"]] += n
        row[place["state"]], row[place["result"]] = ("Succeeded", "Failed", "Aborted")[n % 3], "{}"
        rows.append(row)
        labels += [(row[0], "lab", "v%d" % (n % 100)), (row[0], "cromwell-workflow-id", "cromwell-" + row[0])]
    database.executemany("INSERT INTO runs VALUES (%s)" % ",".join("?" * len(names)), rows)
    database.executemany("INSERT INTO labels VALUES (?, ?, ?)", labels)
    database.commit()
    database.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("batchyard", "floor", "load"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    batchyard, floor_program, load = (os.path.abspath(p) for p in (arguments.batchyard, arguments.floor, arguments.load))
    show = lambda what, text: print("%-44s %s" % (what, text), flush=True)
    middle = statistics.median
    with tempfile.TemporaryDirectory(prefix="batchyard-bench-") as scratch:
        document = os.path.join(scratch, "one.wdl")
        with open(document, "w") as file:
            file.write(ONE)

        def fresh():
            folder = tempfile.mkdtemp(dir=scratch)
            return Server(batchyard, folder)

        def over(server):
            server.end()
            shutil.rmtree(server.folder, ignore_errors=True)

        starts, idle = [], []
        for _ in range(arguments.repetitions):
            server = fresh()
            starts.append(server.start_ms)
            time.sleep(0.2)
            idle.append(server.memory("VmRSS"))
            over(server)
        show("start, idle", "%.0f ms, %.0f MB" % (middle(starts), middle(idle)))

        for count in (200, 1000):
            floors, walls, late = [], [], []
            for _ in range(arguments.repetitions):
                floors.append(floor(floor_program, count, scratch))
                server = fresh()
                words = subprocess.run([load, server.address, document, str(count), "16"], check=True, stdout=subprocess.PIPE, text=True)
                accepted, ended, half, most = map(float, words.stdout.split())
                walls.append(ended)
                late.append(most)
                peak = server.memory("VmHWM")
                over(server)
            text = "%.2f times the floor, p99 of a submission %.0f ms, peak %.0f MB"
            show("%d workflows of one task, 16 clients" % count, text % (middle(walls) / middle(floors), middle(late), peak))

        floors, walls = [], []
        for _ in range(arguments.repetitions):
            floors.append(floor(floor_program, 1000, scratch))
            server = fresh()
            walls.append(server.run(WIDE, {"wide.n": 1000})[1])
            over(server)
        show("scatter of 1000 through the server", "%.2f times the floor" % (middle(walls) / middle(floors)))

        server = fresh()
        run, _ = server.run(WIDE, {"wide.n": 20000})
        show("scatter of 20,000", "peak %.0f MB" % server.memory("VmHWM"))
        home = os.path.join(server.folder, "home")
        server.end()
        again = Server(batchyard, server.folder)
        first, last, body = again.ask("GET", "/api/workflows/v1/%s/metadata" % run)
        text = "first byte after %.0f ms, all %.0f MB after %.0f ms, peak %.0f MB"
        show("metadata of 20,000 calls", text % (first, len(body) / 1e6, last, again.memory("VmHWM")))
        again.end()

        many_runs(home, 100_000)
        again = Server(batchyard, server.folder)
        show("start with 100,000 stored runs", "%.0f ms" % again.start_ms)
        for query in ("", "status=Failed&", "name=wf7&", "label=lab:v7&", "includeSubworkflows=false&"):
            times = [again.ask("GET", "/api/workflows/v1/query?%spageSize=50" % query)[1] for _ in range(2 * arguments.repetitions + 1)]
            show("query of 100,000 runs, %s" % (query.rstrip("&") or "newest"), "%.1f ms" % middle(times))
        again.end()
    print("medians of %d runs on %d cores, load now %.1f" % (arguments.repetitions, CORES, os.getloadavg()[0]))


main()
