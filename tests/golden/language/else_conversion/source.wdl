version 1.3
task whole { command <<< echo 4 >>> output { Int n = read_int(stdout()) } }
task part { command <<< echo 4.5 >>> output { Float n = read_float(stdout()) } }
workflow w {
  input { Boolean first = true }
  if (first) {
    Int x = 1
    Array[Int] xs = [1, 2]
    call whole as c
    scatter (i in [7]) { Int s = i }
  } else {
    Float x = 2.5
    Array[Float] xs = [2.5]
    call part as c
    scatter (i in [7]) { Float s = i / 2.0 }
  }
  output {
    String shown = "~{x}"
    String list = "~{sep=',' xs}"
    String call_shown = "~{c.n}"
    String scattered = "~{sep=',' s}"
  }
}
