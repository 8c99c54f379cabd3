version 1.2
struct R { String name Int n }
struct W { String name Int? n Boolean b }
task t2 {
  command <<<
    printf 'name\tn\na\t1\nb\t2\n' > h.tsv
    printf 'x\t1\ny\t2\n' > p.tsv
    printf '' > empty
    printf '  a  \n\n' > sp
    printf 'True\n' > b
    printf ' 12 \n' > i
    printf '{"name":"z","n":3}' > o.json
  >>>
  output {
    Array[Array[String]] raw = read_tsv("p.tsv")
    Array[Object] o1 = read_tsv("h.tsv", true)
    Array[Object] o2 = read_tsv("p.tsv", false, ["c1", "c2"])
    Array[Object] o3 = read_tsv("h.tsv", true, ["k1", "k2"])
    Array[R] rs = read_tsv("h.tsv", true)
    Array[Object] e = read_objects("empty")
    Array[String] el = read_lines("empty")
    Map[String,String] em = read_map("empty")
    String s = read_string("sp")
    Boolean b = read_boolean("b")
    Int i = read_int("i")
    R r = read_json("o.json")

  }
}
workflow w {
  call t2 as t
  Array[R] rows = [R{name: "a", n: 1}, R{name: "b", n: 2}]
  File t1 = write_tsv([["a", "b"], ["c", "d"]])
  File tt2 = write_tsv([["a", "b"]], true, ["h1", "h2"])
  File t3 = write_tsv(rows)
  File t4 = write_tsv(rows, true)
  File t5 = write_tsv(rows, true, ["x", "y"])
  File t6 = write_tsv([["a", "b"]], false, ["h1", "h2"])
  output {
    Array[String] l1 = read_lines(t1) Array[String] l2 = read_lines(tt2) Array[String] l3 = read_lines(t3) Array[String] l4 = read_lines(t4) Array[String] l5 = read_lines(t5) Array[String] l6 = read_lines(t6)
    Array[Array[String]] raw = t.raw
    Array[Object] o1 = t.o1 Array[Object] o2 = t.o2 Array[Object] o3 = t.o3 Array[R] rs = t.rs Array[Object] e = t.e Array[String] el = t.el Map[String,String] em = t.em String s = t.s Boolean b = t.b Int i = t.i R r = t.r
    String wj = read_string(write_json({"a": [1, 2.5], "b": []}))
    String wo = read_string(write_objects([object{a: 1, b: "x"}, object{a: 2, b: "y"}]))
    String wm = read_string(write_map({"a": 1, "b": 2}))
    Array[Pair[String,Int]] ap = as_pairs({"a": 1})
    Map[String,Array[Int]] cbk = collect_by_key([("a",1),("b",2),("a",3)])
    Pair[Array[Int],Array[String]] uz = unzip([(1,"a"),(2,"b")])
    Array[String] q = quote([1.5, 2.0]) Array[String] sq = squote(["a'b"]) Array[String] pf = prefix("-f ", [1,2]) Array[String] sf = suffix(".t", [1,2]) String sp = sep(",", [true])
    Int mn = min(1, 2) Float mx = max(1, 2.5) Int rd = round(-2.5) Int rd2 = round(2.5)
    String sb = sub("hello", "l+", "L") String sb2 = sub("abc", "(b)", "[\\1]") String sb3 = sub("abc", "(b)", "[$1]")
    Boolean eq1 = [1,2] == [1,2] Boolean eq2 = {"a":1,"b":2} == {"b":2,"a":1} Boolean eq3 = rows[0] == R{name:"a", n:1} Boolean eq4 = (1,"a") == (1,"a") Boolean eq5 = None == None
    Array[Array[Int]] fl = [flatten([[1],[2,3]])] Array[Array[Int]] tr = transpose([[1,2],[3,4]]) Array[Pair[Int,Int]] cr = cross([1,2],[3,4])
    Array[Int] hexoct = [0x1F, 017, 0] Array[Float] fs = [1., .5, 1e5, 1.0E-3]
    W ws = object { name: "a", b: true }
    Map[String, String] ms = object { name: "a", b: "c" }
  }
}
