version 1.3

enum Color {
  red,
  green,
}

enum Level[Float] {
  low = 1,
  high = 2.5
}

task paint {
  input {
    Color color
    Level level = Level.low
  }
  command <<<
    echo ~{color} ~{value(level)}
  >>>
  output {
    Array[String] words = split(read_string(stdout()), " ")
  }
  requirements {
    memory: if task.attempt > 0 then "2 GiB" else "1 GiB"
  }
}

workflow choose {
  input {
    Color color = Color.green
    Int n = 3
  }
  if (n > 2) {
    call paint { color }
    Int size = 1
  } else if (color == Color.red) {
    call paint { color = Color.red, level = Level.high }
    Int size = 2
  } else {
    Int size = 3
  }
  output {
    Int chosen = size
    Array[String]? words = paint.words
  }
}
