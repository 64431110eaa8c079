/* One block of memory, laid out twice: first with no base, to learn how much it takes, then in what malloc gave. */
#ifndef SPIKING_TASNET_ARENA_H
#define SPIKING_TASNET_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_MOST ((uint64_t)1 << 28) /* bytes; beyond, `used` says so and nothing is laid out */
#define ARENA_ALIGNMENT 64

typedef struct {
    uint8_t *base; /* NULL to measure */
    uint64_t used;
} arena_t;

/* `count` values of `size` bytes; `count` is below 2^44 and `size` at most 8. */
static inline void *arena_take(arena_t *arena, int64_t count, uint64_t size)
{
    uint64_t bytes = ((uint64_t)count * size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (bytes > ARENA_MOST || arena->used > ARENA_MOST) {
        arena->used = ARENA_MOST + 1;
        return NULL;
    }
    void *place = arena->base ? arena->base + arena->used : NULL;
    arena->used += bytes;
    return place;
}

#endif
