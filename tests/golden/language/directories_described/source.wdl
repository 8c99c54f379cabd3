version 1.2
task show {
  input { Directory d File f }
  command <<<
    cd "~{d}" && find . -type f | sort
    echo "~{basename(f)} $(cat "~{f}")"
  >>>
  output { Array[String] lines = read_lines(stdout()) String name = basename(d) }
}
