# Everything draft-2 knows.
import "library.wdl" as lib

task align {
  File reads
  Array[String]+ names
  String? label
  Int threads = 2
  Float mem = 1.5 + threads /* per thread */
  Boolean fast
  Map[String, Int] sizes = {"a": 1, "b": 2}
  Pair[Int, String] pair = (1, 'x')
  Object info = object { a: 1, b: "two" }
  String path = sub(reads, "\.bam$", ".bai")

  command {
    tool ${true="--fast" false="" fast} ${default="none" label} \
      ${sep=' ' names} ${"-l " + label} ${default="" sep=" --x " names} > out.txt
    sed 's/{//' < ${reads}
  }
  runtime {
    docker: "ubuntu:22.04"
    memory: mem + " GB"
    cpu: "1"
    cpu: threads
  }
  output {
    File out = "out.txt"
    Array[File] all = glob("*.txt")
    Int n = read_int(stdout())
  }
  meta { author: "me" email: "me@example.org" }
  parameter_meta { reads: "the reads" label: 'a label' }
}

task quiet {
  command <<<
    echo ${"in a heredoc"} $HOME
  >>>
}

workflow pipeline {
  Array[File] inputs
  Boolean? flag
  String null
  Int n = length(inputs)
  scatter (f in inputs) {
    call align { input: reads = f, names = ["a", "b"], fast = true, }
    Int size_of = ceil(size(f, "GB"))
  }
  if (defined(flag) && n > 1) {
    call quiet
    call lib.count as counted { input: file = inputs[0] }
  }
  output {
    align.out
    align.*
    n,
    Array[Int] sizes = size_of
    Int? lines = counted.lines
  }
}
