/* Weights brought into the layout of kgpt/quant.h while the rest of their file is still read from a disk. */
#ifndef KGPT_APP_LM_ARRANGE_H
#define KGPT_APP_LM_ARRANGE_H

#include "app/lm.h"

#include "kgpt/gguf.h"

struct kg_lm_arrange {
    struct kgpt *k;
    const uint8_t *data; /* the file, of `total` bytes in the end */
    uint64_t total;
    uint64_t try_at; /* bytes that are there when the header is tried again */
    bool open;       /* the header was read */
    struct kg_gguf gguf;
    void *scratch;
    uint32_t tensor, row; /* the next one */
};

void kg_lm_arrange_begin(struct kg_lm_arrange *arrange, struct kgpt *k, const uint8_t *data, uint64_t total);

/* Arranges about a megabyte, if it lies within the first `ready` bytes, which nobody reads any more as they were.
 * False: there is none. Takes memory of the arena when the header is complete. */
bool kg_lm_arrange_some(struct kg_lm_arrange *arrange, uint64_t ready);

/* True if the whole file has the layout. */
bool kg_lm_arrange_done(const struct kg_lm_arrange *arrange);

#endif
