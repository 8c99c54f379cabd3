version 1.1
task t {
  input { String s = "a\tb\"~{1 + 2}\u00e9\x41\101" Array[String] words = ["x", 'y~{"z"}', ''] Map[String, Int] m = {"a": 1, "b": 2} String? none }
  String joined = sep(", ", prefix("-", words))
  String changed = sub(s, "[a-c]+", "<$0>")
  command <<<
      echo '~{sep(" ", words)}' ${HOME} ~{default="d" none} ~{true="yes" false="no" 1 < 2}
        cat ~{write_lines(words)} ~{write_map({"k": "v"})} ~{write_json(m)} \
      printf '%s' "~{joined + changed}" # >> not the end > >
  >>>
  output { String out = read_string(stdout()) Array[Array[String]] table = read_tsv("in.tsv") Object o = read_object("in.tsv") Float f = read_float("num") }
  runtime { docker: "a:~{1}" memory: "~{2 * 2} GB" cpu: 1 maxRetries: 0 }
}
