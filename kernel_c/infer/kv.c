/* See kv.h. */
#include "kv.h"

#include "kgpt/mem.h"

/* KG_KV_Q8: for every 32 values of a head, the last ones fewer, an f32 scale; then all values in 8 bits. */
#define BLOCK 32u

static uint32_t blocks_of(uint32_t dim)
{
    return (dim + BLOCK - 1) / BLOCK;
}

uint32_t kg_lm_kv_vector(enum kg_kv_type type, uint32_t dim)
{
    switch (type) {
    case KG_KV_F16: return dim * (uint32_t)sizeof(uint16_t);
    case KG_KV_Q8: return blocks_of(dim) * (uint32_t)sizeof(float) + (dim + 3) / 4 * 4;
    case KG_KV_F32: break;
    }
    return dim * (uint32_t)sizeof(float);
}

void kg_lm_kv_carve(struct kg_lm_kv *kv, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                    const struct kg_lm_options *options, struct kg_arena *arena)
{
    const uint64_t vectors = kg_arena_times((uint64_t)model->n_layer * model->n_head_kv, options->n_ctx);
    kv->ops = ops;
    kv->type = options->kv;
    kv->dim = model->head_dim;
    kv->heads = model->n_head_kv;
    kv->n_ctx = options->n_ctx;
    kv->vector = kg_lm_kv_vector(options->kv, model->head_dim);
    kv->keys = kg_arena_array(arena, vectors, kv->vector);
    kv->values = kg_arena_array(arena, vectors, kv->vector);
}

/* Rounds to nearest, ties to even; |x| <= 127. At 1.5 * 2^23 floats are integers, and their lowest byte is the two's
 * complement. A NaN, which weights of a file may give, becomes the same byte on every machine. */
static int8_t round_to_byte(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = x + 0x1.8p23f};
    return (int8_t)u.bits;
}

static void store_q8(uint8_t *to, const float *head, uint32_t dim)
{
    float *scales = (float *)(void *)to;
    int8_t *bytes = (int8_t *)(scales + blocks_of(dim));
    for (uint32_t start = 0; start < dim; start += BLOCK) {
        uint32_t n = dim - start < BLOCK ? dim - start : BLOCK;
        float largest = 0;
        for (uint32_t i = 0; i < n; i++) {
            float size = head[start + i] < 0 ? -head[start + i] : head[start + i];
            largest = size <= largest || largest != largest ? largest : size; /* NaN stays */
        }
        float inverse = largest > 0 ? 127.0f / largest : 0.0f;
        for (uint32_t i = 0; i < n; i++) {
            bytes[start + i] = round_to_byte(head[start + i] * inverse);
        }
        scales[start / BLOCK] = largest / 127.0f;
    }
}

static void load_q8(const uint8_t *from, float *head, uint32_t dim)
{
    const float *scales = (const float *)(const void *)from;
    const int8_t *bytes = (const int8_t *)(scales + blocks_of(dim));
    for (uint32_t start = 0; start < dim; start += BLOCK) {
        uint32_t n = dim - start < BLOCK ? dim - start : BLOCK;
        for (uint32_t i = 0; i < n; i++) {
            head[start + i] = scales[start / BLOCK] * (float)bytes[start + i];
        }
    }
}

void kg_lm_kv_store(const struct kg_lm_kv *kv, uint8_t *to, const float *head)
{
    if (kv->type == KG_KV_F16) {
        uint16_t *halves = (uint16_t *)(void *)to;
        for (uint32_t i = 0; i < kv->dim; i++) {
            halves[i] = kg_f32_to_f16(head[i]);
        }
    } else if (kv->type == KG_KV_Q8) {
        store_q8(to, head, kv->dim);
    } else {
        memcpy(to, head, kv->vector);
    }
}

void kg_lm_kv_load(const struct kg_lm_kv *kv, const uint8_t *from, float *head)
{
    if (kv->type == KG_KV_F16) {
        const uint16_t *halves = (const uint16_t *)(const void *)from;
        for (uint32_t i = 0; i < kv->dim; i++) {
            head[i] = kg_f16_to_f32(halves[i]);
        }
    } else if (kv->type == KG_KV_Q8) {
        load_q8(from, head, kv->dim);
    } else {
        memcpy(head, from, kv->vector);
    }
}

void kg_lm_kv_scores(const struct kg_lm_kv *kv, const uint8_t *keys, uint32_t first, uint32_t n, const float *query,
                     float *scores)
{
    const uint8_t *at = keys + (uint64_t)first * kv->vector;
    float head[KG_LM_MOST_HEAD_DIM];
    for (uint32_t i = 0; i < n; i++, at += kv->vector) {
        if (kv->type == KG_KV_F16) {
            scores[i] = kv->ops->dot_f16((const uint16_t *)(const void *)at, query, kv->dim);
        } else if (kv->type == KG_KV_Q8) {
            load_q8(at, head, kv->dim);
            scores[i] = kv->ops->base->dot(head, query, kv->dim);
        } else {
            scores[i] = kv->ops->base->dot((const float *)(const void *)at, query, kv->dim);
        }
    }
}

static void add_scaled(float *y, const float *x, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        y[i] += scale * x[i];
    }
}

void kg_lm_kv_sum(const struct kg_lm_kv *kv, const uint8_t *values, uint32_t first, uint32_t n, const float *weights,
                  float *out)
{
    const uint8_t *at = values + (uint64_t)first * kv->vector;
    float head[KG_LM_MOST_HEAD_DIM];
    memset(out, 0, kv->dim * sizeof *out);
    for (uint32_t i = 0; i < n; i++, at += kv->vector) {
        if (kv->type == KG_KV_F16) {
            kv->ops->add_scaled_f16(out, (const uint16_t *)(const void *)at, weights[i], kv->dim);
        } else if (kv->type == KG_KV_Q8) {
            load_q8(at, head, kv->dim);
            add_scaled(out, head, weights[i], kv->dim);
        } else {
            add_scaled(out, (const float *)(const void *)at, weights[i], kv->dim);
        }
    }
}
