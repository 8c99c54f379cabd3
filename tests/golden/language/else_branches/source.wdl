version 1.3
task t { input { Int i } command <<< echo ~{i} >>> output { Int o = read_int(stdout()) } }
task u { input { Int i } command <<< echo ~{i} >>> output { Int o = read_int(stdout()) String only = "u" } }
workflow w {
  input { Int x }
  if (x == 1) {
    call t { i = 10 }
    Int v = 1
    String s = "one"
    Int only_if = 1
  } else if (x == 2) {
    call t { i = 20 }
    Int v = 2
    String s = "two"
  } else {
    call u as t { i = 30 }
    Int v = 3
    String s = "many"
  }
  if (x > 5) { Int big = x }
  else if (x > 3) { Int big = x * 10 }
  scatter (i in range(3)) {
    if (i == 0) { Int k = i } else if (i == 1) { Int k = i * 100 } else { Int k = -1 }
    if (i > 0) { call t as tt { i } } else { Int other = 0 }
  }
  output {
    Int o = t.o
    String? only = t.only
    Int vv = v
    String ss = s
    Int? oi = only_if
    Int? b = big
    Array[Int] ks = k
    Array[Int?] tts = tt.o
    Array[Int?] others = other
  }
}
