version 1.2
task t { command <<< echo ~{task.cpu} ~{length(task.gpu)} ~{task.container} >>> hints { gpu: "2" disks: "SSD" cpu: 9 max_cpu: 4 container: "x" } output { String o = read_string(stdout()) } }
