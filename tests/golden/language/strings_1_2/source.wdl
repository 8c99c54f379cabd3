version 1.2
workflow w {
  input { String name = "Bob" }
  String multi = <<<
    Hello ~{name} and ${name},
      indented "quotes" 'single'
    continued \
       line \t tab \\ \>>> \~{x} end
  >>>
  String one = <<<  one >>>
  String empty = <<<>>>
  String nl = <<<

    a

      b
  >>>
  String interp = <<<
    A ~{sep=", " [1,2]}
    ~{"B\n  C"}
  >>>
  output { String a = multi String b = one String c = empty String d = nl String e = interp
    String tilde = "~ $ \~{x} \${y} \x41\u00e9\101"
    String flt = "~{1.0} ~{1e20} ~{true} ~{-3}"
    String opt = "~{if false then "x" else "y"}"
  }
}
