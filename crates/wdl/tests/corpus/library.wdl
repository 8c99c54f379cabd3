version 1.2
struct S { Int a String? b Array[Pair[Int, S2]] c }
struct S2 { Map[String, Float]+ m }
task t {
  Array[Int] r = range(7)
  Array[Pair[Int, String]] z = zip(r, ["a", "b", "c", "d", "e", "f", "g"])
  Map[Int, String] m = as_map(z)
  Array[Pair[Int, Array[String]]] g = as_pairs(collect_by_key(cross([1, 2], ["x", "y"])))
  Pair[Array[Int], Array[String]] u = unzip(z)
  Array[Array[Int]] t = transpose([[1, 2], [3, 4], [5, 6]])
  Array[Int?] o = [1, None, 3]
  Int first = select_first(o)
  Array[Int] all = select_all(o)
  Array[Array[Int]] parts = chunk(flatten([r, all]), 3)
  Boolean has = contains(r, 3) && contains_key(m, 9) && matches("aaa", "a+b?") && defined(o[1])
  String? found = find("hello", "l+(o)")
  S s = S { a: length(r), b: None, c: [(1, S2 { m: {"k": 1} })] }
  Int deep = s.c[0].right.m["k"] + min(1, max(2.5, 3)) + length(keys(m)) + length(values(m))
  String quoted = join_paths("/a", ["b", "../c"]) + basename("/x/y.txt", ".txt") + squote(["q"])[0] + dquote([1])[0]
  Float bytes = size(["a", "num"], "KiB") + size(None)
  command <<< ~{deep} ~{quoted} >>>
}
