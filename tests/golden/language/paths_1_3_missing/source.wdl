version 1.3
workflow w { File a = "nope.txt" output { String s = "x" } }
