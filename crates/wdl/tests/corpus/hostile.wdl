version 1.1
struct Loop { Loop? again Array[Loop] more }
task t {
  Int a = b
  Int b = c + a
  Int c = a
  String slow = sub("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "(a+)+$", "x")
  String bomb = sub("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "(a|aa){1,1000}{1,1000}", "\\1\\2$3")
  String broken = sub("x", "(((", "[")
  Array[Int] huge = range(9223372036854775807)
  String d0 = "0123456789012345678901234567890123456789012345678901234567890123456789"
  String d1 = d0 + d0 + d0 + d0
  String d2 = d1 + d1 + d1 + d1
  String d3 = "~{d2}~{d2}~{d2}~{d2}"
  command <<< ~{d3} ~{read_lines("/dev/zero")} ~{glob("**/../*")[0]} >>>
}
workflow w { call t call t call nothing.t as w { input: a, b = w.c } scatter (w in w) { scatter (w in w) { } } }
