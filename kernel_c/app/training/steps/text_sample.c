/* See text_sample.h. */
#include "text_sample.h"

#include "kgpt/random.h"
#include "kgpt/str.h"

#define STREAM_SAMPLES ((uint64_t)4 << 32) /* of the seed, with the number of the step */

static uint32_t line_end_of(const struct kg_corpus *corpus)
{
    for (uint32_t i = 0; i < corpus->n_chars; i++) {
        if (corpus->chars[i] == '\n') {
            return i;
        }
    }
    return 0;
}

void kg_text_sample_draw(struct kg_text_sample *sample, struct kg_dense *dense, const struct kg_corpus *corpus,
                         uint32_t n_ctx, uint64_t seed)
{
    struct kg_random random;
    kg_random_seed(&random, seed, STREAM_SAMPLES + kg_dense_steps_done(dense));
    sample->tokens[0] = line_end_of(corpus);
    for (uint32_t i = 1; i <= KG_SAMPLE_CHARS; i++) {
        uint32_t first = i > n_ctx ? i - n_ctx : 0;
        sample->tokens[i] = kg_dense_next(dense, sample->tokens + first, i - first, kg_random_uniform(&random));
    }
    kg_corpus_text(corpus, sample->tokens + 1, KG_SAMPLE_CHARS, sample->text, sizeof sample->text);
    sample->n = kg_strlen(sample->text);
}
