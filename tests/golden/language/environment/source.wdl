version 1.2
struct S { Int a String b }
task t {
  input { env String greeting env Int n = 3 env File f env Array[Int] xs = [1,2] env S s = S{a: 1, b: "x y"} env Boolean bo = true env Float fl = 1.5 env String? none }
  env String priv = "p $HOME 'q' \"r\""
  command <<<
    echo "$greeting|$n|$(cat $f)|$xs|$s|$bo|$fl|[$none]|$priv"
  >>>
  output { String o = read_string(stdout()) }
}
