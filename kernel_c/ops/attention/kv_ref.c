/* The types of a cache of keys and values in plain C. KG_KV_Q8 has the scales of a head first, then its bytes. */
#include "kgpt/mem.h"
#include "kgpt/quant.h"
#include "versions.h"

uint32_t kg_kv_size(enum kg_kv_type type, uint32_t dim)
{
    switch (type) {
    case KG_KV_F16: return dim * (uint32_t)sizeof(uint16_t);
    case KG_KV_Q8: return kg_kv_scales(dim) * (uint32_t)sizeof(float) + (dim + 3) / 4 * 4;
    case KG_KV_F32: break;
    }
    return dim * (uint32_t)sizeof(float);
}

void kg_kv_store_f32_ref(uint8_t *to, const float *head, uint32_t dim)
{
    memcpy(to, head, dim * sizeof *head);
}

void kg_kv_store_f16_ref(uint8_t *to, const float *head, uint32_t dim)
{
    uint16_t *halves = (uint16_t *)(void *)to;
    for (uint32_t i = 0; i < dim; i++) {
        halves[i] = kg_f32_to_f16(head[i]);
    }
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

void kg_kv_store_q8_ref(uint8_t *to, const float *head, uint32_t dim)
{
    float *scales = (float *)(void *)to;
    int8_t *bytes = (int8_t *)(scales + kg_kv_scales(dim));
    for (uint32_t start = 0; start < dim; start += KG_KV_BLOCK) {
        uint32_t n = dim - start < KG_KV_BLOCK ? dim - start : KG_KV_BLOCK;
        float largest = 0;
        for (uint32_t i = 0; i < n; i++) {
            float size = head[start + i] < 0 ? -head[start + i] : head[start + i];
            largest = size <= largest || largest != largest ? largest : size; /* NaN stays */
        }
        float inverse = largest > 0 ? 127.0f / largest : 0.0f;
        for (uint32_t i = 0; i < n; i++) {
            bytes[start + i] = round_to_byte(head[start + i] * inverse);
        }
        scales[start / KG_KV_BLOCK] = largest / 127.0f;
    }
}

static void pad_row(float *row, uint32_t n)
{
    for (; n % KG_LANES; n++) {
        row[n] = 0.0f;
    }
}

void kg_kv_load_f32_ref(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                        uint32_t end)
{
    for (uint32_t i = 0; i < n; i++, to += stride, from += dim * sizeof(float)) {
        memcpy(to, (const float *)(const void *)from + first, (end - first) * sizeof *to);
        pad_row(to, end - first);
    }
}

void kg_kv_load_f16_ref(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                        uint32_t end)
{
    for (uint32_t i = 0; i < n; i++, to += stride, from += dim * sizeof(uint16_t)) {
        const uint16_t *halves = (const uint16_t *)(const void *)from;
        for (uint32_t d = first; d < end; d++) {
            to[d - first] = kg_f16_to_f32(halves[d]);
        }
        pad_row(to, end - first);
    }
}

void kg_kv_load_q8_ref(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                       uint32_t end)
{
    const uint32_t size = kg_kv_size(KG_KV_Q8, dim);
    for (uint32_t i = 0; i < n; i++, to += stride, from += size) {
        const float *scales = (const float *)(const void *)from;
        const int8_t *bytes = (const int8_t *)(scales + kg_kv_scales(dim));
        for (uint32_t block = first / KG_KV_BLOCK, d = first; d < end; block++) {
            const uint32_t stop = (block + 1) * KG_KV_BLOCK < end ? (block + 1) * KG_KV_BLOCK : end;
            const float scale = scales[block];
            for (; d < stop; d++) {
                to[d - first] = scale * (float)bytes[d];
            }
        }
        pad_row(to, end - first);
    }
}
