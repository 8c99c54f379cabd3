version 1.3
task t {
  input { File f = "data/dir/../dir/a.txt" File? none = "nope.txt" }
  File g = "data/dir/a.txt"
  Directory d = "data/dir/"
  command <<< cat ~{f} ~{g}; ls ~{d}; mkdir -p o/p; echo 1 > o/p/q >>>
  output { Array[String] l = read_lines(stdout()) Boolean n = defined(none) File q = "o/./p/../p/q" String qs = "~{q}" File? abs = "zzz" Directory od = "o/" String ods = od + "" }
}
workflow w {
  File a = "data/dir/../dir/a.txt"
  File? b = "nope"
  Directory dd = "data/dir/sub/.."
  Array[File?] arr = ["nope", "data/dir/a.txt"]
  call t
  output { File oa = a File? ob = b Directory odd = dd Array[File?] oarr = arr String sa = "~{a}" Array[String] tl = t.l Boolean n = t.n File q = t.q String qs = t.qs String ods = t.ods Boolean eq = a == "data/dir/a.txt" }
}
