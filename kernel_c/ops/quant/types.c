/* Supported GGML types and the interleaving of their rows: see kgpt/quant.h.
 *
 * Payload is divided into units of 8 bytes, so that a 64-bit lane belongs to one row, for vectors (four rows in 256
 * bits) and for SWAR. 6-bit scales are 12 bytes in a block, read as three 32-bit words. A half is a unit, so that
 * the eight halves of a group are one vector. */
#include "block.h"
#include "half.h"
#include "kgpt/mem.h"

static const struct kg_type_info infos[KG_N_TYPES] = {
    [KG_TYPE_F32] = {"F32", 1, 4, KG_ACT_F32, {{0, 0}}},
    [KG_TYPE_F16] = {"F16", 1, 2, KG_ACT_F32, {{0, 0}}},
    [KG_TYPE_BF16] = {"BF16", 1, 2, KG_ACT_F32, {{0, 0}}},
    /* d, [m,] [fifth bits,] nibbles: low nibbles are the first 16 values */
    [KG_TYPE_Q4_0] = {"Q4_0", 32, 18, KG_ACT_Q8, {{2, 2}, {16, 8}}},
    [KG_TYPE_Q4_1] = {"Q4_1", 32, 20, KG_ACT_Q8, {{2, 2}, {2, 2}, {16, 8}}},
    [KG_TYPE_Q5_0] = {"Q5_0", 32, 22, KG_ACT_Q8, {{2, 2}, {4, 4}, {16, 8}}},
    [KG_TYPE_Q5_1] = {"Q5_1", 32, 24, KG_ACT_Q8, {{2, 2}, {2, 2}, {4, 4}, {16, 8}}},
    [KG_TYPE_Q8_0] = {"Q8_0", 32, 34, KG_ACT_Q8, {{2, 2}, {32, 8}}},
    /* scales and minima, 2 bits, d, m */
    [KG_TYPE_Q2_K] = {"Q2_K", 256, 84, KG_ACT_Q8K, {{16, 8}, {64, 8}, {2, 2}, {2, 2}}},
    /* third bits, 2 bits, scales, d */
    [KG_TYPE_Q3_K] = {"Q3_K", 256, 110, KG_ACT_Q8K, {{32, 8}, {64, 8}, {12, 4}, {2, 2}}},
    /* d, m, scales and minima, [fifth bits,] nibbles */
    [KG_TYPE_Q4_K] = {"Q4_K", 256, 144, KG_ACT_Q8K, {{2, 2}, {2, 2}, {12, 4}, {128, 8}}},
    [KG_TYPE_Q5_K] = {"Q5_K", 256, 176, KG_ACT_Q8K, {{2, 2}, {2, 2}, {12, 4}, {32, 8}, {128, 8}}},
    /* nibbles, upper 2 bits, scales, d */
    [KG_TYPE_Q6_K] = {"Q6_K", 256, 210, KG_ACT_Q8K, {{128, 8}, {64, 8}, {16, 8}, {2, 2}}},
    /* d, codes: low nibbles are the first 16 values */
    [KG_TYPE_IQ4_NL] = {"IQ4_NL", 32, 18, KG_ACT_Q8, {{2, 2}, {16, 8}}},
    /* d, upper 2 bits of 8 scales, lower 4 bits, codes: of each 16 bytes, low nibbles are the first 16 values */
    [KG_TYPE_IQ4_XS] = {"IQ4_XS", 256, 136, KG_ACT_Q8K, {{2, 2}, {2, 1}, {4, 4}, {128, 8}}},
    /* exponent, codes as in IQ4_NL */
    [KG_TYPE_MXFP4] = {"MXFP4", 32, 17, KG_ACT_Q8, {{1, 1}, {16, 8}}},
};

const struct kg_type_info *kg_type_info(uint32_t type)
{
    return type < KG_N_TYPES && infos[type].name ? &infos[type] : NULL;
}

uint64_t kg_row_size(uint32_t type, uint32_t columns)
{
    const struct kg_type_info *info = &infos[type];
    return (uint64_t)columns / info->block * info->bytes;
}

/* Number of rows in the group of `row`. */
static uint32_t group_rows(const struct kg_matrix *matrix, uint32_t row)
{
    uint32_t first = row - row % KG_GROUP, left = matrix->rows - first;
    return left < KG_GROUP ? left : KG_GROUP;
}

/* Interleaves a block of `n` rows. `from` is the block of the first row; the next row is `stride` bytes further. */
static uint8_t *interleave_block(uint8_t *to, const uint8_t *from, size_t stride, uint32_t n,
                                 const struct kg_type_info *info)
{
    for (const struct kg_type_field *field = info->fields; field->bytes; field++) {
        for (uint32_t unit = 0; unit < field->bytes; unit += field->unit) {
            for (uint32_t r = 0; r < n; r++) {
                memcpy(to, from + r * stride + unit, field->unit);
                to += field->unit;
            }
        }
        from += field->bytes;
    }
    return to;
}

void kg_matrix_interleave(struct kg_matrix *matrix, void *scratch)
{
    const struct kg_type_info *info = &infos[matrix->type];
    if (matrix->interleaved || info->fields[0].bytes == 0) {
        return;
    }
    size_t stride = kg_row_size(matrix->type, matrix->columns);
    for (uint32_t row = 0; row < matrix->rows; row += KG_GROUP) {
        uint32_t n = group_rows(matrix, row);
        /* the caller owns the bytes: interleaving in place was requested */
        uint8_t *to = (uint8_t *)matrix->data + row * stride;
        const uint8_t *from = scratch;
        memcpy(scratch, to, n * stride);
        for (uint32_t block = 0; block < matrix->columns / info->block; block++) {
            to = interleave_block(to, from, stride, n, info);
            from += info->bytes;
        }
    }
    matrix->interleaved = true;
}

void kg_block_gather(uint8_t *bytes, const struct kg_matrix *matrix, uint32_t row, uint32_t index)
{
    const struct kg_type_info *info = &infos[matrix->type];
    size_t stride = kg_row_size(matrix->type, matrix->columns);
    if (!matrix->interleaved) {
        memcpy(bytes, matrix->data + row * stride + (size_t)index * info->bytes, info->bytes);
        return;
    }
    uint32_t n = group_rows(matrix, row), lane = row % KG_GROUP;
    const uint8_t *from = matrix->data + (row - lane) * stride + (size_t)index * n * info->bytes;
    for (const struct kg_type_field *field = info->fields; field->bytes; field++) {
        for (uint32_t unit = 0; unit < field->bytes; unit += field->unit) {
            memcpy(bytes, from + lane * field->unit, field->unit);
            bytes += field->unit;
            from += n * field->unit;
        }
    }
}

float kg_f16_to_f32(uint16_t half)
{
    return kg_half_value(half);
}

uint16_t kg_f32_to_f16(float value)
{
    uint32_t bits = kg_bits_of(value), magnitude = bits & 0x7fffffff;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) {
        return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    }
    if (magnitude >= 0x477ff000) { /* 65520 and more round to infinity */
        return sign | 0x7c00;
    }
    if (magnitude < 0x38800000) { /* below 2^-14 the result is a multiple of 2^-24: adding 0.5 rounds to it */
        return sign | (uint16_t)(kg_bits_of(kg_float_of(magnitude) + 0.5f) - kg_bits_of(0.5f));
    }
    magnitude += 0xfff + (magnitude >> 13 & 1);
    return sign | (uint16_t)((magnitude - (112u << 23)) >> 13);
}
