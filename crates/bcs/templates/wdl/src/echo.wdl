version 1.0

# A workflow of one task, to see that everything is in place.

workflow wf_echo {
  meta {
    allowNestedInputs: true
  }

  call echo

  output {
    File outFile = echo.outFile
    Array[String] content = echo.content
  }
}

task echo {
  input {
    String out
    String cluster_config
  }

  command <<<
    echo "Hello World!" > ~{out}
  >>>

  output {
    File outFile = out
    Array[String] content = read_lines(out)
  }

  runtime {
    cluster: cluster_config
  }
}
