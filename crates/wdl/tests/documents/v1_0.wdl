version 1.0

import "library.wdl" as library alias Sample as Probe

struct Run {
  Probe probe
  Map[String, Array[Int]] table
  Object anything
}

task build {
  input {
    Probe probe
    String prefix = "out-${probe.name}"
    Float limit = 1.
    Array[Array[String]] rows = [["a", 'b'], []]
  }
  String left = if limit > .5 then "~{prefix}.x" else prefix + ".y"
  command {
    echo ~{left} ${sep="," probe.files} '~{true="yes" false="no" limit > 1e3}'
    cat ${write_tsv(rows)}
  }
  runtime {
    docker: "debian"
    disks: "local-disk " + ceil(limit) + " HDD"
  }
  output {
    File result = glob("~{prefix}*")[0]
    Array[String] lines = read_lines(stdout())
  }
  parameter_meta {
    probe: { help: "what to build", localization_optional: true, weights: [1, 2.5, -3, null] }
  }
}

workflow main {
  input {
    Array[Probe] probes
    Int? limit
    String name = "none"
  }
  meta { allowNestedInputs: true }
  call library.each as outer { input: samples = probes }
  scatter (probe in probes) {
    if (defined(limit)) {
      call build { input: probe = probe, limit = select_first([limit, 3]) }
    }
  }
  Array[File] results = select_all(build.result)
  output {
    Array[File?] maybe = build.result
    Array[File] all = results
    Array[Array[Int]] counts = outer.lines
    Int last = if length(results) > 0 then length(results) - 1 else -9223372036854775808
  }
}
