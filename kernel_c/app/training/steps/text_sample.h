/* Texts that the model of a training on a running text generates, during it and at its end. */
#ifndef KGPT_APP_TEXT_SAMPLE_H
#define KGPT_APP_TEXT_SAMPLE_H

#include "kgpt/train_corpus.h"
#include "kgpt/train_dense.h"

#define KG_SAMPLE_CHARS 120u

struct kg_text_sample {
    uint32_t tokens[KG_SAMPLE_CHARS + 1]; /* a line end (or the first character) and what follows */
    char text[4 * KG_SAMPLE_CHARS + 1];   /* what follows, UTF-8 */
    size_t n;
};

/* Draws a text by the present weights. Its random numbers follow from seed and step, and are not those of training. */
void kg_text_sample_draw(struct kg_text_sample *sample, struct kg_dense *dense, const struct kg_corpus *corpus,
                         uint32_t n_ctx, uint64_t seed);

#endif
