/* Memory for DMA, for fuzzers of drivers: one region, which is poisoned but for the pieces that are in use, so that a
 * byte beyond a piece is seen. Memory from the heap, which is touched for the first time for each input, costs a
 * quarter of what an input does. */
#ifndef KGPT_MADE_DMA_H
#define KGPT_MADE_DMA_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kgpt/device.h"
#include "promise.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size)
#define ASAN_UNPOISON_MEMORY_REGION(memory, size)
#endif

#define MADE_DMA_REGION ((size_t)16 << 20)
#define MADE_DMA_ALIGNMENT 65536u
#define MADE_DMA_GAP 64u /* behind a piece, at least */

static uint8_t made_dma[MADE_DMA_REGION] __attribute__((aligned(MADE_DMA_ALIGNMENT)));
static size_t made_dma_used;
static uint32_t made_dma_pieces, made_dma_most;

/* Takes all pieces back. Then there are `most` of them; who asks for another one gets none. */
UNWATCHED static void made_dma_begin(uint32_t most)
{
    static bool poisoned;
    ASAN_POISON_MEMORY_REGION(made_dma, poisoned ? made_dma_used : MADE_DMA_REGION);
    poisoned = true;
    made_dma_used = 0;
    made_dma_pieces = 0;
    made_dma_most = most;
}

void *plat_dma(size_t size, size_t alignment, uint64_t limit)
{
    (void)limit;
    promise(size && alignment >= sizeof(void *) && !(alignment & (alignment - 1)) && alignment <= MADE_DMA_ALIGNMENT);
    size_t at = (made_dma_used + alignment - 1) & ~(alignment - 1);
    if (made_dma_pieces == made_dma_most || at > MADE_DMA_REGION || size + MADE_DMA_GAP > MADE_DMA_REGION - at) {
        return NULL;
    }
    made_dma_pieces++;
    made_dma_used = at + (size + MADE_DMA_GAP + 7) / 8 * 8;
    ASAN_UNPOISON_MEMORY_REGION(made_dma + at, size);
    return memset(made_dma + at, 0, size);
}

uint64_t plat_dma_address(const void *memory)
{
    return (uintptr_t)memory;
}

const char *plat_dma_problem(void)
{
    return NULL;
}

#endif
