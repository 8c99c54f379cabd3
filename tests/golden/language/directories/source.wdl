version 1.2
struct SD { Directory d File f Array[Directory] ds }
task mk {
  input { Int n = 2 }
  command <<<
    mkdir -p out/sub empty && echo 1 > out/x && echo 2 > out/sub/y && echo f > file
    ln -s x out/l
  >>>
  output {
    Directory d = "out"
    Directory d2 = "out/"
    Directory? none = "nope"
    Array[Directory?] ods = ["out", "nope2"]
    File f = join_paths("out", "x")
    File inside = join_paths(d, "sub/y")
    Array[File] g = glob("out/*")
    SD s = SD { d: "out", f: "file", ds: ["empty"] }
    Map[String, Directory] md = { "a": "out" }
    String ds = "~{d}"
    Float sz = size(d)
    Float sz2 = size([d, d])
  }
}
task use {
  input { Directory d File? f Array[Directory] ds = [] }
  Directory inner = join_paths(d, "sub")
  command <<<
    ls ~{d}; cat ~{d}/sub/y | head -1; ls ~{inner}; cat ~{f}; ls ~{sep=" " ds}
    echo ~{d}
  >>>
  output { Array[String] o = read_lines(stdout()) Directory same = d File y = join_paths(d, "sub/y") Float s = size(d) String y2 = read_string(join_paths(d, "x")) }
}
workflow w {
  input { Directory? ind  File? inf }
  call mk
  call use { d = mk.d, f = mk.f, ds = [mk.d2] }
  if (defined(ind)) { call use as u2 { d = select_first([ind]), f = inf } }
  output { Directory d = mk.d Directory? n = mk.none SD s = mk.s Map[String,Directory] md = mk.md Array[File] g = mk.g String ds = mk.ds
   Float sz = mk.sz Array[String] uo = use.o Directory same = use.same File y = use.y String base = basename(mk.d) File wj = join_paths(mk.d, "x") String c = read_string(join_paths(mk.d, "x")) Float us = use.s Array[String]? u2o = u2.o  Boolean eq = mk.d == mk.d2 Array[Directory?] od = mk.ods}
}
