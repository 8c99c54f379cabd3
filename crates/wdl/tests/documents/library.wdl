version 1.0

struct Sample {
  String name
  Array[File]+ files
  Int? depth
}

task count {
  input {
    File file
    Int extra = 0
  }
  Int twice = 2 * extra
  command <<<
    wc -l < ~{file} # ${SHELL}
    echo ~{twice}
  >>>
  output { Int lines = read_int(stdout()) + extra }
}

workflow each {
  input {
    Array[Sample] samples
  }
  scatter (sample in samples) {
    scatter (file in sample.files) {
      call count { input: file = file }
    }
    Int total = length(count.lines)
  }
  output {
    Array[Array[Int]] lines = count.lines
    Array[Int] totals = total
  }
}
