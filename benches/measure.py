"""Runs batchyard and the floor in turn and prints what batchyard costs in units of the floor. Called by run.sh."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "wdl"))
import generate  # noqa: E402

CORES = os.cpu_count() or 1


class Case:
    """What is run: arguments for batchyard, and for the floor where there is one."""

    def __init__(self, name, document, inputs=None, floor=None, cache=False, check=False):
        self.name, self.document, self.inputs = name, document, inputs
        self.floor, self.cache, self.check = floor, cache, check


CASES = [
    Case("scatter-100", "wide.wdl", "wide-100.json", ["scatter", "100", str(CORES)]),
    Case("scatter-1000", "wide.wdl", "wide-1000.json", ["scatter", "1000", str(CORES)]),
    Case("scatter-5000", "wide.wdl", "wide-5000.json", ["scatter", "5000", str(CORES)]),
    Case("chain-100", "chain-100.wdl", "none.json", ["chain", "100"]),
    Case("subworkflows-20x20", "subs.wdl", "subs-20.json", ["scatter", "400", str(CORES)]),
    Case("cache-hits-1000", "wide.wdl", "wide-1000.json", ["scatter", "1000", str(CORES)], cache=True),
    Case("files-1000", "files.wdl", "files-1000.json", ["files", "1000", str(CORES)]),
    Case("one-task-cold", "wide.wdl", "wide-1.json"),
    Case("check-15000-lines", "checked.wdl", check=True),
    Case("read-lines-200000", "lines.wdl", "lines.json"),
]


class Sample:
    """Wall and CPU time in milliseconds (children included), peak memory of one process in MB."""

    def __init__(self, wall, cpu, memory=None):
        self.wall, self.cpu, self.memory = wall, cpu, memory


def own_peak_mb():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def watch_memory(pid, peak, ended):
    """The high-water mark of the process itself while it lives; few looks, so that they cost nothing."""
    while not ended.wait(0.02):
        try:
            with open("/proc/%d/status" % pid) as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        peak[0] = max(peak[0], int(line.split()[1]) / 1024)
        except OSError:
            return


def run(command, environment):
    begun = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        peak, ended = [0.0], threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(process.pid, peak, ended))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = (time.monotonic() - begun) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
        if process.returncode != 0:
            errors.seek(0)
            sys.exit("%s\nended with %d:\n%s" % (" ".join(command), process.returncode, errors.read().decode()[-2000:]))
    # The kernel's figure counts this program's own memory too (it was in it before exec): of use only above that.
    exact = usage.ru_maxrss / 1024
    memory = exact if exact > own_peak_mb() + 0.5 else peak[0] or None
    return Sample(wall, (usage.ru_utime + usage.ru_stime) * 1000, memory)


def run_floor(program, case, scratch):
    words = subprocess.run([program, *case.floor, scratch], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return Sample(float(words[0]), float(words[1]))


def run_batchyard(program, case, documents, scratch):
    folder = tempfile.mkdtemp(dir=scratch)
    environment = dict(os.environ, BATCHYARD_HOME=os.path.join(folder, "home"))
    document = os.path.join(documents, case.document)
    try:
        if case.check:
            return run([program, "check", document], environment)

        def command(name):
            words = [program, "run", document, "-i", os.path.join(documents, case.inputs), "-d", os.path.join(folder, name), "--quiet"]
            return words if case.cache else [*words, "--no-cache"]

        if case.cache:
            run(command("first"), environment)
        return run(command("run"), environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ratio(ours, floors, pick, what):
    return pick([getattr(s, what) for s in ours]) / max(0.1, pick([getattr(s, what) for s in floors]))


def report(case, ours, floors):
    cells = [case.name]
    for what in ("wall", "cpu"):
        values = [getattr(sample, what) for sample in ours]
        cells += ["%.1f" % min(values), "%.1f" % statistics.median(values)]
    for what in ("wall", "cpu"):
        cells += ["%.2f" % ratio(ours, floors, pick, what) if floors else "-" for pick in (min, statistics.median)]
    memory = [sample.memory for sample in ours if sample.memory]
    cells.append("%.1f" % max(memory) if memory else "-")
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batchyard", required=True)
    parser.add_argument("--floor", required=True)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all: " + " ".join(case.name for case in CASES))
    arguments = parser.parse_args()
    known = {case.name for case in CASES}
    unknown = [name for name in arguments.cases if name not in known]
    if unknown:
        parser.error("unknown case %s" % unknown[0])
    programs = [os.path.abspath(program) for program in (arguments.batchyard, arguments.floor)]
    chosen = [case for case in CASES if not arguments.cases or case.name in arguments.cases]

    head = ["case", "wall ms", "median", "CPU ms", "median", "wall/floor", "median", "CPU/floor", "median", "MB"]
    widths = [20, 9, 9, 9, 9, 10, 7, 9, 7, 6]
    line = lambda cells: "  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(cells, widths)))
    print(line(head))
    with tempfile.TemporaryDirectory(prefix="batchyard-bench-") as scratch:
        documents = os.path.join(scratch, "documents")
        os.mkdir(documents)
        generate.write_all(documents)
        for case in chosen:
            ours, floors = [], []
            for _ in range(arguments.repetitions):
                if case.floor:
                    floors.append(run_floor(programs[1], case, scratch))
                ours.append(run_batchyard(programs[0], case, documents, scratch))
            print(line(report(case, ours, floors)), flush=True)
    print("minimum and median of %d runs on %d cores, load now %.1f" % (arguments.repetitions, CORES, os.getloadavg()[0]))


main()
