version 1.2
workflow w { File a = "nope.txt" output { String s = "x" } }
