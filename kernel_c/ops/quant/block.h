/* An unpacked block of any quantized type. A value is
 *   d * q, or d * q + m                            (blocks of 32)
 *   (d * scale) * q, or (d * scale) * q - m * min  (blocks of 256: scale and min apply to 16 values) */
#ifndef KGPT_OPS_QUANT_BLOCK_H
#define KGPT_OPS_QUANT_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/quant.h"

#define KG_MOST_BLOCK_BYTES 210
#define KG_MOST_BLOCK 256

struct kg_block {
    float d, m;
    bool has_minimum;
    int8_t q[KG_MOST_BLOCK];
    int8_t scale[16];
    uint8_t min[16];
};

/* Unpacks a block in GGML's layout. */
typedef void kg_unpack_fn(struct kg_block *block, const uint8_t *bytes);

kg_unpack_fn *kg_block_unpacker(uint32_t type);

/* Copies block `index` of a row, in GGML's layout; reverses the interleaving if the matrix is interleaved. */
void kg_block_gather(uint8_t *bytes, const struct kg_matrix *matrix, uint32_t row, uint32_t index);

#endif
