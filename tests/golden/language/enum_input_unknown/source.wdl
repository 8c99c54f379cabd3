version 1.3
struct P { Int x Int y }
enum Color { red, green, blue }
enum Level[Int] { low = 1, high = 10, }
enum Mixed { a = 1, b = 2.5 }
enum Hex[String] { red = "#f00", green = "#0f0" }
enum Arr { one = [1, 2], two = [3] }
enum Pr { p = (1, "a"), q = (2, "b") }
enum Mp { m = {"a": 1} }
enum St[P] { origin = P { x: 0, y: 0 } }
enum Fl[Float] { a = 1, b = -2.5 }
enum Empty {}
struct S { Color c Level? l }
task t {
  input { Color c Array[Level] ls = [Level.low] }
  command <<< echo ~{c} ~{sep(",", ls)} ~{value(Hex.red)} >>>
  output { String s = read_string(stdout()) Color back = c }
}
workflow w {
  input { Color c = Color.green Color? oc Map[String, Level] ml = {"a": Level.high} S? st }
  String n = Color.red
  Color fromstr = "blue"
  call t { c }
  scatter (x in [Color.red, Color.blue]) { String names = "~{x}!" }
  output {
    String o = t.s
    Color back = t.back
    Boolean eq = c == Color.green
    Boolean ne = c != Color.green
    Int v = value(Level.high)
    Float mv = value(Mixed.a)
    String hv = value(Hex.red)
    String cv = value(c)
    Array[Int] av = value(Arr.one)
    Pair[Int, String] pv = value(Pr.p)
    Map[String,Int] mpv = value(Mp.m)
    P stv = value(St.origin)
    Float fl = value(Fl.b)
    String name = n
    Color fs = fromstr
    Array[String] nn = names
    Map[String, Level] mm = ml
    S? sss = st
    Color? occ = oc
    S lit = S { c: Color.red }
    Map[Color, Int] byc = {Color.red: 1, Color.blue: 2}
    Boolean cont = contains([Color.red], c)
    Array[Color] arr = [Color.red, "green"]
    File j = write_json([Color.red])
    String s2 = "x" + Color.red
  }
}
