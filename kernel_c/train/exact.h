/* The inside of an exact training, shared by train/exact*.c. T is n_ctx, d n_embd, F n_ff, V n_vocab, H n_head, L n_layer.
 *
 * Gradients are added up in the order in which microgpt's graph gives them back: positions, rows and columns from the last
 * to the first. All positions of a layer are computed together; that changes which sum comes first, not the order of the
 * additions within one. */
#ifndef KGPT_TRAIN_EXACT_INTERNAL_H
#define KGPT_TRAIN_EXACT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "kgpt/mt19937.h"
#include "kgpt/train_exact.h"

/* x -> x * scale, where scale = base^-0.5 and base = mean(x^2) + 1e-5; (T) of each. */
struct kg_exact_norm {
    double *base, *scale;
};

/* What one layer made of a document: the same arrays for each layer, one behind the other. */
struct kg_exact_layer {
    const double *x;           /* (T, d): what went in */
    double *middle;            /* (T, d): x + attention */
    double *out;               /* (T, d): middle + feed-forward; the next layer's x */
    double *normed1, *normed2; /* (T, d): of x and of middle */
    struct kg_exact_norm norm1, norm2;
    double *q, *k, *v;        /* (T, d) */
    double *powers, *weights; /* (H, T, T): e^(score - highest) and that divided by their total */
    double *totals;           /* (H, T) */
    double *heads;            /* (T, d) */
    double *hidden;           /* (T, F): after the ReLU */
    uint64_t matrices;        /* where its matrices are among the parameters */
};

struct kg_exact {
    struct kg_exact_settings settings;
    struct kg_shape shape;
    struct kg_layout layout;
    const struct kg_corpus *corpus;
    struct kg_mt19937 random;
    const struct kg_exact_functions *functions;
    uint64_t step;   /* steps done */
    uint32_t *order; /* (n_documents) */

    double *parameters, *gradients, *m, *v; /* (n_parameters) */
    double *transposed; /* (n_parameters): the transpose of each matrix in its place; wte and wpe are not there */

    double *embedded; /* (T, d) */
    struct kg_exact_norm norm0;
    double *stream;               /* (L + 1, T, d): what goes into each layer, and what comes out of the last */
    struct kg_exact_layer layers; /* of layer 0, see kg_exact_layer_of */
    double *logits;               /* (T, V); e^(logit - highest) in place of them after the softmax */
    double *totals;               /* (T) */

    double *d_x, *d_normed, *d_q, *d_k, *d_v, *d_heads; /* (T, d): derivatives by what is named */
    double *d_hidden;                                   /* (T, F) */
    double *d_logits;                                   /* (T, V) */
    double *scores;                                     /* (T): of one head at one position, in the backward pass */
    double *cumulative;                                 /* (V) */
    uint32_t *tokens;                                   /* (T + 1) */
};

struct kg_exact_layer kg_exact_layer_of(const struct kg_exact *trainer, uint32_t layer);

/* c[r][j] = sum over k of a[r * a_row + k * a_step] * b[k * b_row + j], k from 0 on, starting from 0 or from what is
 * there. Negative strides make it run backwards. */
struct kg_exact_product {
    uint64_t rows, columns, depth;
    const double *a;
    ptrdiff_t a_row, a_step;
    const double *b;
    ptrdiff_t b_row;
    double *c;
    ptrdiff_t c_row;
    bool add;
};

/* One step of Adam with what depends on the step worked out. */
struct kg_exact_rates {
    double beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    double correction1, correction2;   /* 1 - beta^(step + 1) */
    double rate, eps;
};

/* Arrays of n numbers in an arena: aligned, and rounded up to whole vectors. */
struct kg_exact_moments {
    const double *gradients;
    double *m, *v, *parameters;
    uint64_t n;
};

/* What most of the time goes to, once for each width of vectors: exact_vector.h. All give the same bits. */
struct kg_exact_functions {
    void (*multiply)(const struct kg_exact_product *product);
    void (*adam)(const struct kg_exact_moments *moments, const struct kg_exact_rates *rates);
};

extern const struct kg_exact_functions kg_exact_functions_c, kg_exact_functions_avx2;

/* After every change of the parameters. */
void kg_exact_refresh(struct kg_exact *trainer);

/* Logits of positions first .. end - 1 of trainer->tokens; the keys and values of those before are there already. */
void kg_exact_forward(struct kg_exact *trainer, uint32_t first, uint32_t end);
void kg_exact_attend(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t first, uint32_t end);

/* n numbers become e^(number - highest); returns their sum. */
double kg_exact_softmax(double *logits, uint32_t n);

/* The loss of n positions; then their gradients. */
double kg_exact_forward_loss(struct kg_exact *trainer, uint32_t n);
void kg_exact_backward(struct kg_exact *trainer, uint32_t n);
void kg_exact_attend_backward(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t n);
void kg_exact_adam(struct kg_exact *trainer);

/* trainer->tokens = BOS, document, BOS, cut; returns the number of positions. */
uint32_t kg_exact_put_document(struct kg_exact *trainer, const uint32_t *document, uint32_t n);

#endif
