version 1.2
struct P { String name Int age }
struct Outer { P p Array[Int] xs Map[String, P] m }
workflow w {
  input { Directory d = "data/dir" }
  P p = P { name: "x", age: 3 }
  Outer o = Outer { p: p, xs: [1,2], m: {"k": p} }
  Map[String, Int] m = {"a": 1, "b": 2}
  Object ob = object { a: 1, b: "x" }
  output {
    String? f1 = find("hello world", "w[a-z]+")
    String? f2 = find("hello", "z")
    Boolean m1 = matches("hello.bam", "\\.bam$")
    Boolean m2 = matches("hello", "^ello")
    String j1 = join_paths(d, "a.txt")
    String j2 = join_paths("a", ["b", "c"])
    String j3 = join_paths(["/x", "y/", "z"])
    Boolean c1 = contains([1, 2, 3], 2)
    Boolean c2 = contains([None, 1], None)
    Boolean c3 = contains(["a"], "b")
    Array[Array[Int]] ch = chunk([1,2,3,4,5], 2)
    Array[Array[Int]] ch0 = chunk([], 2)
    Boolean ck1 = contains_key(m, "a")
    Boolean ck2 = contains_key(ob, "zz")
    Boolean ck3 = contains_key(o, ["p", "name"])
    Boolean ck4 = contains_key(o, ["m", "k", "age"])
    Boolean ck5 = contains_key(o, ["m", "q"])
    Boolean ck6 = contains_key(p, "name")
    Array[Int] vs = values(m)
    Array[String] ks = keys(p)
    Array[String] ks2 = keys(ob)
    Array[String] ks3 = keys(m)
    Int pw = 2 ** 3 ** 2
    Int pw2 = -2 ** 2
    Float pw3 = 2.0 ** 3
    Float pw4 = 2 ** 0.5
    Int sf = select_first([None, None], 5)
    Int sf2 = select_first([], 7)
    Int l1 = length(m)
    Int l2 = length("héllo")
    Int l3 = length(ob)
    Float s1 = size(d)
    Float s2 = size([[ "data/dir/a.txt" ]], "B")
    Float s3 = size({"x": "data/dir/a.txt"})
    Float s4 = size((d, [d]))
    Array[Int?] ai = [1, None]
    String b1 = basename(d)
    String b2 = basename("/a/b.txt", ".txt")
  }
}
