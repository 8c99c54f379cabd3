version 1.3
task t {
  command <<<
    echo "att=~{task.attempt} mr=~{task.max_retries} mem=~{task.memory} prevmem=~{select_first([task.previous.memory, 0])} pc=~{select_first([task.previous.cpu, 0.0])}"
    if [ ~{task.attempt} -lt 2 ]; then exit 1; fi
  >>>
  requirements {
    memory: if task.attempt == 0 then "100 MiB" else "~{2 * select_first([task.previous.memory]) / 1024 / 1024} MiB"
    cpu: 1
    max_retries: 3
    container: if task.name == "t" then "ubuntu:24.04" else "x"
    disks: if defined(task.previous.memory) then 2 else 1
    gpu: defined(task.previous.fpga) && false
  }
  hints { max_cpu: task.attempt + 1 }
  output {
    String o = read_string(stdout())
    Int? pm = task.previous.memory
    Float? pc = task.previous.cpu
    String? pcont = task.previous.container
    Array[String]? pg = task.previous.gpu
    Map[String, Int]? pd = task.previous.disks
    Int? pmr = task.previous.max_retries
    Int mr = task.max_retries
    Int att = task.attempt
    Map[String,Int] d = task.disks
  }
}
