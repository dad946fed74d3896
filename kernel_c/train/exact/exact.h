/* Internals of exact training, shared by train/exact*.c. T is n_ctx, d n_embd, F n_ff, V n_vocab, H n_head, L n_layer.
 *
 * Gradients are summed in the order of microgpt's autograd graph: positions, rows and columns from the last to the
 * first. All positions of a layer are computed together. That changes the order of the sums, not the order of the
 * additions within a sum. */
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

/* The activations of one layer. Each array holds all layers one after the other. */
struct kg_exact_layer {
    const double *x;           /* (T, d): the input */
    double *middle;            /* (T, d): x + attention */
    double *out;               /* (T, d): middle + feed-forward; the next layer's x */
    double *normed1, *normed2; /* (T, d): of x and of middle */
    struct kg_exact_norm norm1, norm2;
    double *q, *k, *v;        /* (T, d) */
    double *powers, *weights; /* (H, T, T): e^(score - highest) and that divided by their total */
    double *totals;           /* (H, T) */
    double *heads;            /* (T, d) */
    double *hidden;           /* (T, F): after the ReLU */
    uint64_t matrices;        /* offset of its matrices in the parameters */
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
    double *transposed; /* (n_parameters): each matrix transposed, at its own offset; wte and wpe are left out */

    double *embedded; /* (T, d) */
    struct kg_exact_norm norm0;
    double *stream;               /* (L + 1, T, d): the input of each layer, then the output of the last one */
    struct kg_exact_layer layers; /* of layer 0, see kg_exact_layer_of */
    double *logits;               /* (T, V); the softmax replaces them by e^(logit - highest) */
    double *totals;               /* (T) */

    double *d_x, *d_normed, *d_q, *d_k, *d_v, *d_heads; /* (T, d): derivatives of the loss by x, normed, … */
    double *d_hidden;                                   /* (T, F) */
    double *d_logits;                                   /* (T, V) */
    double *scores;                                     /* (T): of one head at one position, in the backward pass */
    double *cumulative;                                 /* (V) */
    uint32_t *tokens;                                   /* (T + 1) */
};

struct kg_exact_layer kg_exact_layer_of(const struct kg_exact *trainer, uint32_t layer);

/* c[r][j] = sum over k of a[r * a_row + k * a_step] * b[k * b_row + j], k from 0 on. The sum starts from 0, or with
 * `add` from the old c[r][j]. Negative strides walk backwards. */
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

/* The factors of one step of Adam, computed once for the step. */
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

/* The two hot loops, compiled once for each vector width (exact_vector.h). All versions give the same bits. */
struct kg_exact_functions {
    void (*multiply)(const struct kg_exact_product *product);
    void (*adam)(const struct kg_exact_moments *moments, const struct kg_exact_rates *rates);
};

extern const struct kg_exact_functions kg_exact_functions_c;

/* Transposes the matrices again; call it after every change of the parameters. */
void kg_exact_refresh(struct kg_exact *trainer);

/* Logits of positions first .. end - 1 of trainer->tokens; the keys and values of those before are there already. */
void kg_exact_forward(struct kg_exact *trainer, uint32_t first, uint32_t end);
void kg_exact_attend(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t first, uint32_t end);

/* Replaces n numbers by e^(number - highest); returns their sum. */
double kg_exact_softmax(double *logits, uint32_t n);

/* The loss of n positions; then their gradients. */
double kg_exact_forward_loss(struct kg_exact *trainer, uint32_t n);
void kg_exact_backward(struct kg_exact *trainer, uint32_t n);
void kg_exact_attend_backward(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t n);
void kg_exact_adam(struct kg_exact *trainer);

/* trainer->tokens = BOS, document, BOS, cut; returns the number of positions. */
uint32_t kg_exact_put_document(struct kg_exact *trainer, const uint32_t *document, uint32_t n);

#endif
