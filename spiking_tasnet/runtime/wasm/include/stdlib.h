/* See memory.c. */
#ifndef SPIKING_TASNET_WASM_STDLIB_H
#define SPIKING_TASNET_WASM_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void free(void *block);

#endif
