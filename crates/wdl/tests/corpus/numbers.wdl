version 1.0
workflow w {
  Int big = 9223372036854775807
  Int over = big + 1
  Int small = -9223372036854775807 - 2
  Int zero = 1 / 0
  Int rest = small % -1
  Float inf = 1.0e308 * 10
  Float nan = inf - inf
  Int cut = floor(inf) + ceil(nan) + round(1.5e300)
  Float tiny = 1e-400
  Int hex = 0xFFFFFFFFFFFFFFFF + 0777
  Boolean b = big < 1.5 && !(true || zero == 1)
  Array[Int] far = range(-1)
  Int at = [1, 2, 3][big] + {"a": 1}["b"]
  String many = "~{big}~{small}~{nan}" + 1 + 2.5
}
