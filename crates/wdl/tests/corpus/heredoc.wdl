version 1.0
task a { command <<< never closed ~{ "${ still 
 task b { command { echo } ' } } }
