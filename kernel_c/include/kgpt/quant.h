/* Matrices in GGML's types, and their products with activations.
 *
 * The sum of a row is *defined*, so that every version gives the same bits:
 * - F32, F16, BF16 take f32 activations: each weight becomes the f32 of its value, and the sum is that of `dot` (kgpt/ops.h).
 * - Types with blocks of 32 take activations as KG_ACT_Q8 (one f32 scale for 32 values of 8 bits): the products of a block are
 *   added as integers, which is exact in any order; the row then adds its blocks in sequence, with the f32 operations, each
 *   rounded, that ops/quant/ref.c writes down.
 * - Types with super-blocks of 256 take KG_ACT_Q8K (one f32 scale for 256 values) in the same way.
 *
 * Layout: eight rows are interleaved, so that a vector lane is a row. Of each group of eight rows, and of each of their blocks, the
 * fields follow each other as in GGML's block, but cut into units, and every unit comes eight times: for row 0, 1, … 7 of the
 * group. kg_type_info names fields and units. The rows that are left over at the end (rows % 8) form a group of their own in which
 * every unit comes rows % 8 times. A matrix takes as many bytes as before. F32, F16 and BF16 are not interleaved. */
#ifndef KGPT_QUANT_H
#define KGPT_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/ops.h"

/* GGML's numbers. */
enum kg_type {
    KG_TYPE_F32 = 0,
    KG_TYPE_F16 = 1,
    KG_TYPE_Q4_0 = 2,
    KG_TYPE_Q4_1 = 3,
    KG_TYPE_Q5_0 = 6,
    KG_TYPE_Q5_1 = 7,
    KG_TYPE_Q8_0 = 8,
    KG_TYPE_Q2_K = 10,
    KG_TYPE_Q3_K = 11,
    KG_TYPE_Q4_K = 12,
    KG_TYPE_Q5_K = 13,
    KG_TYPE_Q6_K = 14,
    KG_TYPE_BF16 = 30,
};
#define KG_N_TYPES 31 /* numbers below this can index a table */
#define KG_GROUP 8    /* rows that are interleaved */

/* What a product with a type takes as activations. */
enum kg_act {
    KG_ACT_F32,
    KG_ACT_Q8,
    KG_ACT_Q8K,
};
#define KG_N_ACTS 3

#define KG_MAX_FIELDS 5

struct kg_type_field {
    uint8_t bytes; /* of the field in one block */
    uint8_t unit;  /* bytes that stay together when rows are interleaved */
};

struct kg_type_info {
    const char *name;
    uint32_t block; /* values */
    uint32_t bytes; /* of a block */
    enum kg_act act;
    struct kg_type_field fields[KG_MAX_FIELDS + 1]; /* in the block's order, ended by {0, 0}; none: not interleaved */
};

/* NULL if the type is not supported. */
const struct kg_type_info *kg_type_info(uint32_t type);

struct kg_matrix {
    const uint8_t *data;
    uint32_t type; /* enum kg_type */
    uint32_t rows;
    uint32_t columns; /* a multiple of the type's block */
    bool interleaved;
};

/* Bytes of one row, and of `columns` activations. */
uint64_t kg_row_size(uint32_t type, uint32_t columns);
uint64_t kg_act_size(enum kg_act act, uint32_t columns);

/* Interleaves a plain matrix in place, in `scratch` of KG_GROUP * kg_row_size() bytes. */
void kg_matrix_interleave(struct kg_matrix *matrix, void *scratch);

/* Row `row` as f32, the bits of gguf.quants; plain or interleaved. */
void kg_matrix_row(const struct kg_matrix *matrix, uint32_t row, float *out);

/* y[t * y_stride + r] for r = first .. first + n - 1 and t = 0 .. tokens - 1: the products of rows with the activations
 * acts + t * act_stride (bytes, a multiple of 64). Eight tokens at once are the fastest, then four. `first` is a multiple of KG_GROUP; n is too, unless it reaches the last row. `matrix` is
 * interleaved if its type is. */
typedef void kg_rows_fn(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                        const void *acts, size_t act_stride, uint32_t tokens);

struct kg_quant_ops {
    enum kg_isa isa;
    const struct kg_ops *base;    /* dot for F32 */
    kg_rows_fn *rows[KG_N_TYPES]; /* by type; NULL where not supported */
    void (*act[KG_N_ACTS])(void *out, const float *x,
                           uint32_t columns); /* x (columns) as activations, 64-byte aligned */
    /* dot of `n` halves, as F16 lie in a KV cache, with f32: the order of `dot` */
    float (*dot_f16)(const uint16_t *a, const float *b, size_t n);
    /* y[i] += s * a[i], the product rounded first */
    void (*add_scaled_f16)(float *y, const uint16_t *a, float s, size_t n);
};

/* The best functions for these features (enum kg_cpu_feature), none above `highest`: with AVX2 and F16C vectors, else, and always where
 * QEMU emulates the processor, plain words of 64 bits. `base` must stay where it is. Activations are only for the functions of the same
 * table. */
void kg_quant_fill(struct kg_quant_ops *ops, const struct kg_ops *base, uint32_t features, enum kg_isa highest);

/* IEEE half precision: exact one way, to nearest even the other way. */
float kg_f16_to_f32(uint16_t half);
uint16_t kg_f32_to_f16(float value);

#endif
