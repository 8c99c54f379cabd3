version 1.2
task t { input { Int i Int j = 1 } command <<< echo ~{i} >>> output { Int o = read_int(stdout()) } }
workflow w { input { Int i = 1 } call t { i } output { Int o = t.o } }
