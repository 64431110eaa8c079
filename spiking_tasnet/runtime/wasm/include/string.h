/* See memory.c. */
#ifndef SPIKING_TASNET_WASM_STRING_H
#define SPIKING_TASNET_WASM_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
