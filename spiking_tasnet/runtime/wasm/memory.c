/* What the runtime takes of a C library, for a module that is linked with none.
 *
 * Blocks are cut one behind the other from the module's memory, which grows. The runtime takes one block when it opens a
 * model, and the page two of its own before, so only the last block is given back: a module runs one separator, and
 * its memory goes with it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, PAGE = 65536 };

extern uint8_t __heap_base; /* the linker's: where data and stack end */
static uintptr_t next, last;

void *malloc(size_t size)
{
    if (!next)
        next = ((uintptr_t)&__heap_base + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint64_t end = next + ((uint64_t)size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint64_t held = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end > UINT32_MAX ||
        (end > held && __builtin_wasm_memory_grow(0, (size_t)((end - held + PAGE - 1) / PAGE)) == SIZE_MAX))
        return NULL;
    last = next;
    next = (uintptr_t)end;
    return (void *)last;
}

void free(void *block)
{
    if (block && (uintptr_t)block == last)
        next = last;
}

/* With bulk memory the built-ins are instructions, not calls of these functions. */
void *memcpy(void *restrict to, const void *restrict from, size_t size) { return __builtin_memcpy(to, from, size); }
void *memmove(void *to, const void *from, size_t size) { return __builtin_memmove(to, from, size); }
void *memset(void *to, int value, size_t size) { return __builtin_memset(to, value, size); }

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a, *right = b;
    for (size_t n = 0; n < size; n++)
        if (left[n] != right[n])
            return left[n] < right[n] ? -1 : 1;
    return 0;
}
