"""The separator in C: one file that holds a network (`stn`), a library that streams it (`backend`), a command.

separator.h              the library's interface; separator.c, layer.c, dense.c and stn.c implement it
stn_separate.c           the command `stn-separate in.wav out1.wav out2.wav` (tools/build_runtime.sh)
stn                      writes and reads the file
backend                  the library from Python
wasm                     the library as WebAssembly, for a browser (tools/build_wasm.py)
"""
