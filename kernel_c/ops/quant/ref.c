/* The definition of the products (kgpt/quant.h) in plain C, for any type and row.
 *
 * q and a are the integers of a block, d its scale, m the factor of its minimum, x the scale of the activations. A
 * row adds up
 *   sum = sum + v * x
 * with f32 operations, each rounded to nearest even, where
 *   blocks of 32:   v = d * i, or d * i + m * j, with i = Σ q a and j = Σ a
 *   blocks of 256:  v = d * i, or d * i - m * j, with i = Σ scale q a and j = Σ min a
 * i and j are exact integers before their conversion to f32. */
#include "act.h"
#include "block.h"
#include "half.h"
#include "versions.h"

typedef float block_fn(float sum, const struct kg_block *b, const uint8_t *act);

static float add_block_of_32(float sum, const struct kg_block *b, const uint8_t *act)
{
    const struct kg_act_q8 *a = (const void *)act;
    int32_t i = 0;
    for (uint32_t k = 0; k < 32; k++) {
        i += b->q[k] * a->q[k];
    }
    const bool is_subnormal = (kg_bits_of(b->d) & 0x7f800000) == 0; /* then of MXFP4: see kgpt/quant.h */
    float v = (is_subnormal ? 0.0f : b->d) * (float)i;
    v = b->has_minimum ? v + b->m * a->s : v;
    return sum + v * a->d;
}

static float add_block_of_256(float sum, const struct kg_block *b, const uint8_t *act)
{
    const struct kg_act_q8k *a = (const void *)act;
    int32_t i = 0, j = 0;
    for (uint32_t part = 0; part < 16; part++) {
        int32_t products = 0;
        for (uint32_t k = 0; k < 16; k++) {
            products += b->q[part * 16 + k] * a->q[part * 16 + k];
        }
        i += b->scale[part] * products;
        j += b->min[part] * a->sums[part];
    }
    float v = b->d * (float)i;
    v = b->has_minimum ? v - b->m * (float)j : v;
    return sum + v * a->d;
}

static float row_sum(const struct kg_matrix *matrix, uint32_t row, const uint8_t *act, size_t act_bytes, block_fn *add)
{
    const struct kg_type_info *info = kg_type_info(matrix->type);
    kg_unpack_fn *unpack = kg_block_unpacker(matrix->type);
    float sum = 0;
    for (uint32_t i = 0; i < matrix->columns / info->block; i++) {
        uint8_t bytes[KG_MOST_BLOCK_BYTES];
        struct kg_block block;
        kg_block_gather(bytes, matrix, row, i);
        unpack(&block, bytes);
        sum = add(sum, &block, act + i * act_bytes);
    }
    return sum;
}

void kg_rows_q8_ref(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens)
{
    for (uint32_t t = 0; t < tokens; t++) {
        const uint8_t *act = (const uint8_t *)acts + t * act_stride;
        for (uint32_t r = first; r < first + n; r++) {
            y[t * y_stride + r] = row_sum(matrix, r, act, sizeof(struct kg_act_q8), add_block_of_32);
        }
    }
}

void kg_rows_q8k_ref(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                     const void *acts, size_t act_stride, uint32_t tokens)
{
    for (uint32_t t = 0; t < tokens; t++) {
        const uint8_t *act = (const uint8_t *)acts + t * act_stride;
        for (uint32_t r = first; r < first + n; r++) {
            y[t * y_stride + r] = row_sum(matrix, r, act, sizeof(struct kg_act_q8k), add_block_of_256);
        }
    }
}
