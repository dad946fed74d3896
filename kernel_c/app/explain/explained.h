/* The shell's `explain` on the console, for both engines: the tokens of a text, what the model would say if it ended
 * after a layer, how much each token looks at those before it, and what the next token is drawn from. */
#ifndef KGPT_APP_EXPLAINED_H
#define KGPT_APP_EXPLAINED_H

#include "app/engine.h"

#include "kgpt/sampler.h"

#define KG_EXPLAINED_MOST 32u /* tokens of a text: the columns of a map */
#define KG_EXPLAINED_LABEL 10 /* bytes of a token beside a row */
#define KG_EXPLAINED_LENS 3u  /* of a line of 80 columns */

/* A text that the model has read. */
struct kg_explained {
    struct kgpt *k;
    const uint32_t *tokens; /* (n) */
    uint32_t n, n_head;
    uint32_t stride; /* a head's map is (stride, stride), of which the first n rows and columns are used */
};

/* KG_E_INPUT for a text with more than KG_EXPLAINED_MOST tokens. */
enum kg_status kg_explained_check(uint32_t n, struct kg_error *error);

/* A token in KG_EXPLAINED_LABEL columns, and a NUL. */
void kg_explained_label(struct kgpt *k, uint32_t token, char label[KG_EXPLAINED_LABEL + 1]);

/* The tokens, and the heading of the layers that follow. */
void kg_explained_tokens(const struct kg_explained *x);

/* The residual stream behind a layer, and the likeliest next tokens, `n` of them with weights that sum to `sum`. */
void kg_explained_layer(const struct kg_explained *x, uint32_t layer, float length,
                        const struct kg_candidate *likeliest, uint32_t n, float sum);

/* The maps (n_head, stride, stride) of a layer's heads. */
void kg_explained_maps(const struct kg_explained *x, uint32_t layer, const float *maps);

/* What the next token is drawn from. `last` as in kg_sample. */
void kg_explained_next(const struct kg_explained *x, struct kg_sampler *sampler, const float *logits,
                       const uint32_t *last, uint32_t n_last);

#endif
