/* Keys and values of a cache, and the steps of attention over them, with one version per instruction set.
 *
 * A query's output is the sum over positions of softmax(scale * (query · key)) * value. All versions give the same
 * bits, because the definition fixes every order:
 * - query · key is that of `dot` (kgpt/ops.h), then it is multiplied by the scale;
 * - e^(score - largest score) is that of kg_exp_inline; the sum of these goes from the first position to the last;
 * - a weight is such a power divided by their sum. The output starts at +0 and adds weight * value in the order of
 *   the positions; each product is rounded before its addition.
 * ops/attention/attention_ref.c implements this in plain C; the other versions are tested against it.
 *
 * Queries that share a key head are computed together: their keys and values are converted to floats once. */
#ifndef KGPT_ATTENTION_H
#define KGPT_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "kgpt/ops.h"

enum kg_kv_type {
    KG_KV_F16,
    KG_KV_Q8, /* 8 bits, and an f32 scale for every 32 values of a head; the last scale may serve fewer */
    KG_KV_F32,
};
#define KG_N_KV 3

#define KG_LANES 16u /* of `dot`: rows of floats are padded with zeros to a multiple of it */

/* Bytes of one head at one position. */
uint32_t kg_kv_size(enum kg_kv_type type, uint32_t dim);

/* `dim` floats in the cache's type. */
typedef void kg_kv_store_fn(uint8_t *to, const float *head, uint32_t dim);

/* Values first, … , end - 1 of `n` successive heads of `dim` values, as floats: row i at to + i * stride. `first` is a
 * multiple of 32, and so is `end`, unless it is `dim`. Each row is padded with zeros to a multiple of KG_LANES. */
typedef void kg_kv_load_fn(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                           uint32_t end);

/* As `scores` and `add_values`, with rows of a cache: heads of `dim` values, a multiple of KG_LANES. The values are
 * first .. first + width - 1 of each head; `first` is a multiple of 32. */
typedef void kg_kv_scores_fn(float *scores, size_t stride, const float *queries, uint32_t n_queries,
                             const uint8_t *keys, uint32_t n, uint32_t dim, float scale);
typedef void kg_kv_add_fn(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                          const uint8_t *values, uint32_t n, uint32_t dim, uint32_t first, uint32_t width);

struct kg_attention_ops {
    kg_kv_store_fn *store[KG_N_KV];
    kg_kv_load_fn *load[KG_N_KV];
    /* scores[q * stride + i] = scale * (query q · key i), for n keys. Queries and keys are rows of `width` floats, a
     * multiple of KG_LANES. */
    void (*scores)(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                   uint32_t n, uint32_t width, float scale);
    /* The largest of n >= 1 floats. If one of them is NaN, any of them. */
    float (*largest)(const float *x, size_t n);
    /* x[i] = kg_exp_inline(x[i] - largest) */
    void (*powers)(float *x, size_t n, float largest);
    /* to[i] = x[i] / by; `to` may be x. */
    void (*divide)(float *to, const float *x, size_t n, float by);
    /* out[q * out_stride + d] += weights[q * stride + i] * value i [d], for i = 0, …, n - 1 in this order. Values are
     * rows of `width` floats, a multiple of KG_LANES. */
    void (*add_values)(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                       const float *values, uint32_t n, uint32_t width);
    /* For a few queries, where converting while computing is faster than before; otherwise NULL. */
    kg_kv_scores_fn *kv_scores[KG_N_KV];
    kg_kv_add_fn *kv_add[KG_N_KV];
};

/* The best functions for these features (enum kg_cpu_feature), as far as `allowed` has them. With KG_ISA_ALL
 * under QEMU's TCG, where a float operation of any width is a function call, those of 128 bits. */
const struct kg_attention_ops *kg_attention_choose(uint32_t features, enum kg_isa allowed);

#endif
