version 1.2

struct Config {
  meta { description: "settings" }
  parameter_meta { name: "what it is called" }
  String name
  Directory? dir
}

task work {
  input {
    Config config
    env String TOKEN = "secret"
    Array[Int] numbers = [1, 2 ** 3]
  }

  env Int count = length(numbers)
  String text = <<<
    A ~{config.name}
      multi-line \
      string
  >>>

  command <<<
    echo "$TOKEN" ~{task.name} ~{task.attempt} '~{text}'
  >>>

  output {
    Int? code = task.return_code
    Directory made = "made"
    Boolean found = contains(numbers, 8)
  }

  requirements {
    container: ["a:1", "*"]
    cpu: 2
    memory: "4 GiB"
    return_codes: "*"
  }

  hints {
    max_cpu: 4
    short_task: true
    inputs: input {
      config: hints { localization_optional: true }
      config.name: hints { min_length: 3 }
    }
    outputs: output {
      made: hints { keep: true }
    }
  }

  meta { keywords: ["a", "b"] more: { deep: [{ x: null }] } }
}

workflow all {
  input {
    Config config
  }
  call work { config, numbers = chunk([1, 2, 3], 2)[0] }
  call work as second { }
  output {
    Boolean found = work.found
    String? first = find("abc", "b+")
  }
  hints { allow_nested_inputs: true }
}
