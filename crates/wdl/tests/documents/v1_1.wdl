version 1.1

struct Person {
  String name
  Int? age
  Array[Person2]? friends
}

struct Person2 { String name }

task greet {
  input {
    Person person
    Array[String] words = ["a", "b"]
    Int? none = None
  }
  command <<<
    echo "~{person.name}" ~{sep(" ", quote(words))} \~{literal} ${HOME} >> out.txt
    cat <<EOF
    \>>> ~{if defined(none) then "x" else "y"}
    EOF
  >>>
  output {
    String text = read_string(stdout())
    File out = "out.txt"
    File? missing = "missing.txt"
  }
  runtime {
    container: "ubuntu"
    cpu: 1.5
    memory: "2 GiB"
    disks: ["/mnt/a 1 GiB", "2"]
    maxRetries: 1
    returnCodes: [0, 3]
    gpu: false
  }
}

workflow hello {
  input {
    String name
    Map[String, Int] ages = {"x": 0x1F, "y": 017}
  }
  Person person = Person { name: name, age: None }
  call greet { input: person }
  call greet as again after greet { input: person = object { name: "b" }, words = suffix("!", ["a"]) }
  output {
    Array[String] texts = [greet.text, again.text]
    Array[Pair[String, Int]] pairs = as_pairs(ages)
    String u = "\u00e9 \U0001F600 \x41 \101 \"q\" \~{x}"
  }
}
