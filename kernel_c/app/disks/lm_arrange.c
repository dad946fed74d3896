/* Weights arranged while their file is read: see lm_arrange.h. */
#include "lm_arrange.h"

#include "kgpt/lm.h"

#define FIRST_TRY (1u << 20)        /* bytes: a header has more, with its vocabulary */
#define ARRANGED_AT_ONCE (1u << 20) /* bytes, after which the disk is looked at */

void kg_lm_arrange_begin(struct kg_lm_arrange *arrange, struct kgpt *k, const uint8_t *data, uint64_t total)
{
    *arrange = (struct kg_lm_arrange){.k = k, .data = data, .total = total};
    arrange->try_at = total < FIRST_TRY ? total : FIRST_TRY;
}

/* The weights begin behind the header. */
static uint64_t header_bytes(const struct kg_lm_arrange *arrange)
{
    uint64_t first = arrange->total;
    for (uint32_t i = 0; i < arrange->gguf.n_tensors; i++) {
        uint64_t at = (uint64_t)((const uint8_t *)arrange->gguf.tensors[i].data - arrange->data);
        first = at < first ? at : first;
    }
    return first;
}

/* Reads the header, if all of it is there. What lies behind `ready` is of no meaning: a header that reaches so far is
 * tried again when twice as much is there. */
static void try_header(struct kg_lm_arrange *arrange, uint64_t ready)
{
    struct kg_error error;
    struct kg_arena *arena = &arrange->k->arena;
    size_t used = arena->used;
    arrange->try_at = ready < arrange->total / 2 ? 2 * ready : arrange->total;
    if (kg_gguf_open(&arrange->gguf, arrange->data, arrange->total, arena, &error) == KG_OK &&
        header_bytes(arrange) <= ready) {
        arrange->scratch = kg_arena_take(arena, kg_lm_interleave_size(&arrange->gguf));
        arrange->open = arrange->scratch != NULL;
    }
    if (!arrange->open) {
        kg_arena_rewind(arena, used);
    }
}

/* Rows of about ARRANGED_AT_ONCE bytes, in whole groups. */
static uint32_t rows_at_once(const struct kg_gguf_tensor *tensor)
{
    uint64_t row = tensor->ne[1] ? tensor->size / tensor->ne[1] : 0;
    uint64_t groups = row ? ARRANGED_AT_ONCE / (row * KG_GROUP) : 0;
    return (uint32_t)(groups ? groups : 1) * KG_GROUP;
}

bool kg_lm_arrange_some(struct kg_lm_arrange *arrange, uint64_t ready)
{
    if (!arrange->open && ready >= arrange->try_at) {
        try_header(arrange, ready);
    }
    if (!arrange->open || arrange->tensor == arrange->gguf.n_tensors) {
        return false;
    }
    const struct kg_gguf_tensor *tensor = &arrange->gguf.tensors[arrange->tensor];
    uint64_t end = (uint64_t)((const uint8_t *)tensor->data - arrange->data) + tensor->size;
    uint32_t rows = (uint32_t)tensor->ne[1], left = rows - arrange->row, n = rows_at_once(tensor);
    if (end > ready) {
        return false;
    }
    n = n < left ? n : left;
    kg_lm_interleave_rows(tensor, arrange->row, n, arrange->scratch);
    arrange->row += n;
    if (arrange->row == rows) {
        arrange->tensor++;
        arrange->row = 0;
    }
    return true;
}

bool kg_lm_arrange_done(const struct kg_lm_arrange *arrange)
{
    return arrange->open && arrange->tensor == arrange->gguf.n_tensors;
}
