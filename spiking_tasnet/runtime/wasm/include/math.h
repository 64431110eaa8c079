/* The one function of libm that the runtime calls; it is an instruction of WebAssembly. */
#ifndef SPIKING_TASNET_WASM_MATH_H
#define SPIKING_TASNET_WASM_MATH_H

static inline double sqrt(double x) { return __builtin_sqrt(x); }

#endif
