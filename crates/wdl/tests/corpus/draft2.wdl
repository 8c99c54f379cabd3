import "strings.wdl" as other
task t {
  Array[File] files
  Object o = object { a: 1, b: [object { c: "x" }] }
  String p = "${sep=',' files} ${default='none' p}"
  command { cat ${sep=" " files} | awk '{print $1}' ; echo ${o.b[0].c} "${true='--yes' false='' 1 == 1}" }
  output { String s = read_string(stdout()) Map[String, String] m = read_map(stdout()) }
}
workflow w {
  Array[String] xs
  scatter (x in xs) { call t as inner { input: files = [x, x + ".bai"] } if (length(x) > 3) { call t { input: files = xs } } }
  output { inner.* t.s }
}
