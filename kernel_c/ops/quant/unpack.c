/* Unpacks blocks of GGML's types (block.h), and converts rows to f32. */
#include "block.h"
#include "codebook.h"
#include "half.h"
#include "kgpt/mem.h"

/* 16 bytes of nibbles, low nibbles first; `high` holds the fifth bits. */
static void unpack_nibbles(int8_t *q, const uint8_t *nibbles, uint32_t high, int8_t offset)
{
    for (uint32_t i = 0; i < 16; i++) {
        q[i] = (int8_t)((nibbles[i] & 15) | (high >> i & 1) << 4) - offset;
        q[i + 16] = (int8_t)(nibbles[i] >> 4 | (high >> (i + 16) & 1) << 4) - offset;
    }
}

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static void unpack_q4_0(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->has_minimum = false;
    unpack_nibbles(b->q, p + 2, 0, 8);
}

static void unpack_q4_1(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->m = kg_half_value(kg_load16(p + 2));
    b->has_minimum = true;
    unpack_nibbles(b->q, p + 4, 0, 0);
}

static void unpack_q5_0(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->has_minimum = false;
    unpack_nibbles(b->q, p + 6, load_u32(p + 2), 16);
}

static void unpack_q5_1(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->m = kg_half_value(kg_load16(p + 2));
    b->has_minimum = true;
    unpack_nibbles(b->q, p + 8, load_u32(p + 4), 0);
}

static void unpack_q8_0(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->has_minimum = false;
    memcpy(b->q, p + 2, 32);
}

/* 64 bytes of 2-bit values: within 32 bytes, the lowest bits come first. */
static void unpack_crumbs(int8_t *q, const uint8_t *p)
{
    for (uint32_t i = 0; i < 256; i++) {
        q[i] = p[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    }
}

static void unpack_q2_k(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p + 80));
    b->m = kg_half_value(kg_load16(p + 82));
    b->has_minimum = true;
    for (uint32_t j = 0; j < 16; j++) {
        b->scale[j] = p[j] & 15;
        b->min[j] = p[j] >> 4;
    }
    unpack_crumbs(b->q, p + 16);
}

static void unpack_q3_k(struct kg_block *b, const uint8_t *p)
{
    const uint8_t *scales = p + 96;
    b->d = kg_half_value(kg_load16(p + 108));
    b->has_minimum = false;
    for (uint32_t j = 0; j < 16; j++) { /* low 4 bits in the first 8 bytes, upper 2 bits in the last 4 */
        uint8_t low = scales[j % 8] >> (j / 8 * 4) & 15, high = scales[8 + j % 4] >> (j / 4 * 2) & 3;
        b->scale[j] = (int8_t)(low | high << 4) - 32;
    }
    unpack_crumbs(b->q, p + 32);
    for (uint32_t i = 0; i < 256; i++) { /* 4 is subtracted if the third bit is clear */
        b->q[i] -= p[i % 32] >> (i / 32) & 1 ? 0 : 4;
    }
}

/* 12 bytes with a 6-bit scale and a 6-bit minimum for each 32 values. */
static void unpack_scales_and_minima(struct kg_block *b, const uint8_t *p)
{
    for (uint32_t j = 0; j < 16; j++) {
        uint32_t k = j / 2, i = k % 4;
        if (k < 4) {
            b->scale[j] = p[i] & 63;
            b->min[j] = p[4 + i] & 63;
        } else {
            b->scale[j] = (int8_t)((p[8 + i] & 15) | (p[i] >> 6 << 4));
            b->min[j] = (uint8_t)(p[8 + i] >> 4 | (p[4 + i] >> 6 << 4));
        }
    }
}

/* 128 bytes of nibbles: within 32 bytes, low nibbles come first. */
static void unpack_long_nibbles(int8_t *q, const uint8_t *p)
{
    for (uint32_t i = 0; i < 256; i++) {
        q[i] = p[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
    }
}

static void unpack_q4_k(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->m = kg_half_value(kg_load16(p + 2));
    b->has_minimum = true;
    unpack_scales_and_minima(b, p + 4);
    unpack_long_nibbles(b->q, p + 16);
}

static void unpack_q5_k(struct kg_block *b, const uint8_t *p)
{
    unpack_q4_k(b, p);
    unpack_long_nibbles(b->q, p + 48);
    for (uint32_t i = 0; i < 256; i++) {
        b->q[i] |= (p[16 + i % 32] >> (i / 32) & 1) << 4;
    }
}

static void unpack_q6_k(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p + 208));
    b->has_minimum = false;
    memcpy(b->scale, p + 192, 16);
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t low = p[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
        uint8_t high = p[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        b->q[i] = (int8_t)(low | high << 4) - 32;
    }
}

static const int8_t iq4_values[16] = {KG_IQ4_VALUES}, mxfp4_values[16] = {KG_MXFP4_VALUES};

/* 16 bytes of codes, low nibbles first. */
static void unpack_codes(int8_t *q, const uint8_t *codes, const int8_t values[16])
{
    for (uint32_t i = 0; i < 16; i++) {
        q[i] = values[codes[i] & 15];
        q[i + 16] = values[codes[i] >> 4];
    }
}

static void unpack_iq4_nl(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_half_value(kg_load16(p));
    b->has_minimum = false;
    unpack_codes(b->q, p + 2, iq4_values);
}

static void unpack_iq4_xs(struct kg_block *b, const uint8_t *p)
{
    uint32_t upper = kg_load16(p + 2);
    b->d = kg_half_value(kg_load16(p));
    b->has_minimum = false;
    for (uint32_t j = 0; j < 8; j++) { /* a scale for each 32 values: 4 lower bits and 2 upper ones */
        uint32_t low = p[4 + j / 2] >> (j % 2 * 4) & 15, high = upper >> 2 * j & 3;
        b->scale[2 * j] = b->scale[2 * j + 1] = (int8_t)(low | high << 4) - 32;
        unpack_codes(b->q + 32 * j, p + 8 + 16 * j, iq4_values);
    }
}

static void unpack_mxfp4(struct kg_block *b, const uint8_t *p)
{
    b->d = kg_e8m0_value(p[0]);
    b->has_minimum = false;
    unpack_codes(b->q, p + 1, mxfp4_values);
}

kg_unpack_fn *kg_block_unpacker(uint32_t type)
{
    static kg_unpack_fn *const unpackers[KG_N_TYPES] = {
        [KG_TYPE_Q4_0] = unpack_q4_0,   [KG_TYPE_Q4_1] = unpack_q4_1,     [KG_TYPE_Q5_0] = unpack_q5_0,
        [KG_TYPE_Q5_1] = unpack_q5_1,   [KG_TYPE_Q8_0] = unpack_q8_0,     [KG_TYPE_Q2_K] = unpack_q2_k,
        [KG_TYPE_Q3_K] = unpack_q3_k,   [KG_TYPE_Q4_K] = unpack_q4_k,     [KG_TYPE_Q5_K] = unpack_q5_k,
        [KG_TYPE_Q6_K] = unpack_q6_k,   [KG_TYPE_IQ4_NL] = unpack_iq4_nl, [KG_TYPE_IQ4_XS] = unpack_iq4_xs,
        [KG_TYPE_MXFP4] = unpack_mxfp4,
    };
    return unpackers[type];
}

static void block_values(float *out, const struct kg_block *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        float scale = n == 32 ? b->d : b->d * (float)b->scale[i / 16], value = scale * (float)b->q[i];
        if (b->has_minimum) {
            value = n == 32 ? value + b->m : value - b->m * (float)b->min[i / 16];
        }
        out[i] = value;
    }
}

static void float_row(float *out, const uint8_t *p, uint32_t type, uint32_t columns)
{
    for (uint32_t i = 0; i < columns; i++) {
        switch (type) {
        case KG_TYPE_F32: out[i] = kg_float_of(load_u32(p + 4 * (size_t)i)); break;
        case KG_TYPE_F16: out[i] = kg_half_value(kg_load16(p + 2 * (size_t)i)); break;
        default: out[i] = kg_float_of((uint32_t)kg_load16(p + 2 * (size_t)i) << 16); break;
        }
    }
}

void kg_matrix_row(const struct kg_matrix *matrix, uint32_t row, float *out)
{
    const struct kg_type_info *info = kg_type_info(matrix->type);
    if (info->act == KG_ACT_F32) {
        float_row(out, matrix->data + row * kg_row_size(matrix->type, matrix->columns), matrix->type, matrix->columns);
        return;
    }
    kg_unpack_fn *unpack = kg_block_unpacker(matrix->type);
    for (uint32_t i = 0; i < matrix->columns / info->block; i++) {
        uint8_t bytes[KG_MOST_BLOCK_BYTES];
        struct kg_block block;
        kg_block_gather(bytes, matrix, row, i);
        unpack(&block, bytes);
        block_values(out + (size_t)i * info->block, &block, info->block);
    }
}
