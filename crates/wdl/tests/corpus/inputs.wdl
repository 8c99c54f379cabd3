version 1.1
struct S { Int a String? b Array[Float] c }
task t { input { String x = "d" File? f Int n } command <<< ~{x} >>> }
workflow w {
  input { Int a Float b Array[Int?] c Map[String, Pair[Int, Array[Boolean]]] d S e File? f Directory? g = "x" }
  call t as call { input: n = a }
  meta { allowNestedInputs: true }
}
