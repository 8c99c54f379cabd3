"""Writes the WDL documents of the benchmarks, and their inputs, into a folder."""

import json
import os
import random

TASK = """
task hello {
  input {
    Int i
  }
  command <<<
    echo hi
  >>>
  output {
    Int o = i + 1
  }
}
"""

SCATTER = """version 1.1

workflow wide {
  input {
    Int n
  }
  scatter (i in range(n)) {
    call hello { input: i = i }
  }
  output {
    Int done = length(hello.o)
  }
}
"""

FILES = """version 1.1

workflow files {
  input {
    Int n
    File input_file
  }
  scatter (i in range(n)) {
    call copy { input: input_file = input_file }
  }
  output {
    Int done = length(copy.copied)
  }
}

task copy {
  input {
    File input_file
  }
  command <<<
    cp ~{input_file} out.bin
  >>>
  output {
    File copied = "out.bin"
  }
}
"""

SUB = """version 1.1

workflow sub {
  input {
    Int n
  }
  scatter (i in range(n)) {
    call hello { input: i = i }
  }
  output {
    Array[Int] o = hello.o
  }
}
"""

SUBS = """version 1.1

import "sub.wdl" as lib

workflow subs {
  input {
    Int n
  }
  scatter (i in range(n)) {
    call lib.sub { input: n = n }
  }
  output {
    Int done = length(flatten(sub.o))
  }
}
"""

LINES = """version 1.1

workflow lines {
  input {
    File table
  }
  Array[String] rows = read_lines(table)
  output {
    Int count = length(rows)
    String last = rows[count - 1]
  }
}
"""

# A task of the size and kind found in published pipelines; twenty-two lines with the blank one.
CHECKED_TASK = """
task step_{n} {{
  input {{
    File source
    Array[File]+ others
    String name = "step_{n}"
    Int? threads
    Float scale = 1.5
    Map[String, Int] limits = {{"a": {n}, "b": 2}}
  }}
  Int cores = select_first([threads, 2])
  Int disk = ceil(size(source, "GB") * scale) + 20
  command <<<
    set -euo pipefail
    tool --threads ~{{cores}} --limit ~{{limits["a"]}} ~{{if defined(threads) then "--fast" else ""}} ~{{sep(" ", prefix("-i ", others))}} ~{{source}} > ~{{name}}.txt
  >>>
  output {{
    File result = "~{{name}}.txt"
    Array[String] rows = read_lines(result)
  }}
  runtime {{ cpu: cores, memory: "~{{2 * cores}} GB", disks: "local-disk ~{{disk}} HDD" }}
}}
"""

CHECKED_CALL = """  call step_{n} {{
    input: source = {source}, others = [first, {source}], threads = {n} % 4 + 1
  }}
"""


def chain(length):
    calls = "".join(
        "  call hello as c%d { input: i = %s }\n" % (n, "c%d.o" % (n - 1) if n else "0") for n in range(length)
    )
    return "version 1.1\n\nworkflow chain {\n%s  output {\n    Int last = c%d.o\n  }\n}\n%s" % (calls, length - 1, TASK)


def checked(lines):
    """A valid document of about so many lines: a chain of calls of tasks that differ."""
    per_step = CHECKED_TASK.count("\n") + CHECKED_CALL.count("\n")
    steps = max(1, lines // per_step)
    calls = "".join(
        CHECKED_CALL.format(n=n, source="step_%d.result" % (n - 1) if n else "first") for n in range(steps)
    )
    tasks = "".join(CHECKED_TASK.format(n=n) for n in range(steps))
    end = "  output {\n    File result = step_%d.result\n  }\n}\n" % (steps - 1)
    return "version 1.1\n\nworkflow checked {\n  input {\n    File first\n  }\n" + calls + end + tasks


def write_all(folder):
    def write(name, text):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)

    def inputs(name, values):
        write(name, json.dumps(values))

    write("wide.wdl", SCATTER + TASK)
    for n in (1, 100, 1000, 5000):
        inputs("wide-%d.json" % n, {"wide.n": n})
    write("chain-100.wdl", chain(100))
    inputs("none.json", {})
    write("sub.wdl", SUB + TASK)
    write("subs.wdl", SUBS)
    inputs("subs-20.json", {"subs.n": 20})
    write("files.wdl", FILES)
    with open(os.path.join(folder, "in.bin"), "wb") as file:
        file.write(random.Random(1).randbytes(1_000_000))
    inputs("files-1000.json", {"files.n": 1000, "files.input_file": os.path.join(folder, "in.bin")})
    write("lines.wdl", LINES)
    write("table.txt", "".join("sample_%d\t/data/sample_%d.bam\n" % (n, n) for n in range(200_000)))
    inputs("lines.json", {"lines.table": os.path.join(folder, "table.txt")})
    write("checked.wdl", checked(15_000))
