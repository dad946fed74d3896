/* Matrices in GGML's types, and their products with activations.
 *
 * The definition fixes the sum of a row, so all versions give the same bits:
 * - F32, F16, BF16 take f32 activations. Each weight is converted to f32; the sum is that of `dot` (kgpt/ops.h).
 * - Types with blocks of 32 take KG_ACT_Q8 activations (one f32 scale for 32 values of 8 bits). Products within a
 * block are added as integers, which is exact in any order. Blocks are then added in sequence with the f32
 * operations of ops/quant/ref.c, each rounded.
 * A scale of MXFP4 whose half is subnormal (2^-127 and 2^-126) counts as 0: processors multiply subnormal numbers
 * slowly, and a block of zeros has such a scale.
 * - Types with super-blocks of 256 take KG_ACT_Q8K activations (one f32 scale for 256 values) in the same way.
 *
 * Layout: eight rows are interleaved, so that each vector lane holds one row. Within a group of eight rows, the
 * fields of each block keep GGML's order. A field is divided into units, and each unit is stored eight times in
 * succession: for rows 0 to 7 of the group. kg_type_info gives fields and units. The remaining rows (rows % 8) form
 * a smaller group in the same way. The size of a matrix does not change. F32, F16 and BF16 are not interleaved. */
#ifndef KGPT_QUANT_H
#define KGPT_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/attention.h"
#include "kgpt/ops.h"

/* GGML's type numbers. */
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
    KG_TYPE_IQ4_NL = 20,
    KG_TYPE_IQ4_XS = 23,
    KG_TYPE_BF16 = 30,
    KG_TYPE_MXFP4 = 39,
};
#define KG_N_TYPES 40 /* size of a table indexed by type */
#define KG_GROUP 8    /* rows of an interleaved group */

/* The type of activations for a product. */
enum kg_act {
    KG_ACT_F32,
    KG_ACT_Q8,
    KG_ACT_Q8K,
};
#define KG_N_ACTS 3

#define KG_MAX_FIELDS 5

struct kg_type_field {
    uint8_t bytes; /* bytes of the field in one block */
    uint8_t unit;  /* bytes that stay contiguous when rows are interleaved */
};

struct kg_type_info {
    const char *name;
    uint32_t block; /* values of a block */
    uint32_t bytes; /* bytes of a block */
    enum kg_act act;
    struct kg_type_field fields[KG_MAX_FIELDS + 1]; /* in block order, ended by {0, 0}; empty: not interleaved */
};

/* NULL for an unsupported type. */
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

/* Interleaves a matrix in place. `scratch` has KG_GROUP * kg_row_size() bytes. */
void kg_matrix_interleave(struct kg_matrix *matrix, void *scratch);

/* Converts one row to f32, with the bits of gguf.quants. The matrix may be interleaved. */
void kg_matrix_row(const struct kg_matrix *matrix, uint32_t row, float *out);

/* Products of `n` rows with `tokens` vectors of activations: y[t * y_stride + r] for rows r = first .. first + n - 1
 * and tokens t. The activations of token t are at acts + t * act_stride (bytes, a multiple of 64). Batches of eight
 * tokens are fastest, then batches of four. `first` is a multiple of KG_GROUP; so is `n`, unless the range ends at
 * the last row. `matrix` is interleaved if its type is. */
typedef void kg_rows_fn(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                        const void *acts, size_t act_stride, uint32_t tokens);

/* Converts x (columns) to activations, 64-byte aligned. */
typedef void kg_act_fn(void *out, const float *x, uint32_t columns);

struct kg_quant_ops {
    const struct kg_ops *base;    /* dot for F32 */
    kg_rows_fn *rows[KG_N_TYPES]; /* by type; NULL if unsupported */
    const char *slot[KG_N_TYPES]; /* the name of the slot that each of these functions is from */
    kg_act_fn *act[KG_N_ACTS];
    const struct kg_attention_ops *attention;
};

/* Fills the table with the best slot of each type (ops/quant/slots.c) for these features (enum kg_cpu_feature), as far
 * as `allowed` has them. Under QEMU's TCG KG_ISA_ALL is SWAR (SIMD within 64-bit words). Keeps the pointer `base`.
 * Functions accept only activations that the same table made. */
void kg_quant_fill(struct kg_quant_ops *ops, const struct kg_ops *base, uint32_t features, enum kg_isa allowed);

/* IEEE half precision. To f32 is exact; to half rounds to nearest even. */
float kg_f16_to_f32(uint16_t half);
uint16_t kg_f32_to_f16(float value);

#endif
