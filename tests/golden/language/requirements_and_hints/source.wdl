version 1.2
task t {
  input { Int n = 2 File f = "data/dir/a.txt" Directory d = "data/dir" }
  command <<<
    echo "name=~{task.name} id=~{task.id} cpu=~{task.cpu} mem=~{task.memory} att=~{task.attempt} cont=~{task.container}"
    echo "gpu=~{sep="," task.gpu} disks=~{sep=',' keys(task.disks)} meta=~{task.meta.description} pm=~{task.parameter_meta.n.help}"
    echo "end=~{task.end_time}"
    exit 3
  >>>
  requirements {
    container: ["ubuntu:22.04", "debian:12"]
    cpu: n / 2.0
    memory: "~{n} GiB"
    disks: ["10 GiB"]
    gpu: false
    fpga: false
    max_retries: 1
    return_codes: [0, 3]
  }
  hints {
    max_cpu: 8
    max_memory: "36 GB"
    short_task: true
    localization_optional: false
    gpu: 2
    disks: { "/tmp": "SSD" }
    foo: "bar"
    inputs: input { f: hints { localization_optional: true }, d.x: hints { y: 1 } }
    outputs: output { o: hints { z: 2 } }
    aws: hints { instance: "m5", more: hints { deep: [1,2] } }
  }
  meta { description: "d" list: [1, 2.5, true, null, "x"] obj: { a: 1, b: { c: 2 } } }
  parameter_meta { n: { help: "h" } }
  output {
    Array[String] o = read_lines(stdout())
    Int rc = task.return_code
    Int? et = task.end_time
    Float c = task.cpu
    Int m = task.memory
    Map[String, Int] disks = task.disks
    String? cont = task.container
    Int att = task.attempt
    Object md = task.meta
    Array[String] g = task.gpu
  }
}
workflow w {
  call t
  hints { allow_nested_inputs: true  other: { a: [1, "x"] } }
  output { Array[String] o = t.o Int rc = t.rc Int? e = t.et Float c = t.c Int m = t.m Map[String,Int] dk = t.disks String? cont = t.cont Int a = t.att Object md = t.md Array[String] g = t.g}
}
