/* Types of a cache of keys and values in 256-bit vectors. */
#include "kgpt/mem.h"
#include "ops/attention/versions.h"
#include "ops/quant/avx2/avx2.h"

#define ROUND_NEAREST_EVEN 0

/* Not every compiler has this conversion as a builtin. */
KG_INLINE i32x4 halves_of_floats(f32x8 floats)
{
    i32x4 halves;
    __asm__("vcvtps2ph %2, %1, %0" : "=x"(halves) : "x"(floats), "i"(ROUND_NEAREST_EVEN));
    return halves;
}

void kg_kv_store_f16_avx2(uint8_t *to, const float *head, uint32_t dim)
{
    uint32_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        *(i32x4_at *)(to + 2 * i) = halves_of_floats(*(const f32x8_at *)(head + i));
    }
    kg_kv_store_f16_ref(to + 2 * i, head + i, dim - i);
}

void kg_kv_load_f16_avx2(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                         uint32_t end)
{
    uint32_t width = end - first, whole = width - width % KG_LANES;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *halves = from + 2 * ((size_t)i * dim + first);
        float *row = to + i * stride;
        for (uint32_t d = 0; d < whole; d += 8) {
            *(f32x8_at *)(row + d) = floats_of_halves(*(const i32x4_at *)(halves + 2 * d));
        }
    }
    if (whole < width) {
        kg_kv_load_f16_ref(to + whole, stride, from, n, dim, first + whole, end);
    }
}

typedef signed char i8x8 __attribute__((vector_size(8)));
typedef i8x8 i8x8_at __attribute__((aligned(1), may_alias));

/* The lowest bytes of 32 sums, as attention_ref.c rounds: also of those that are no numbers. */
KG_INLINE b8x32 round_to_bytes(const float *x, float factor)
{
    i32x8 q[4];
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        q[i] = (i32x8)(*(const f32x8_at *)(x + 8 * i) * floats_of(factor) + floats_of(0x1.8p23f)) & words_of(0xff);
    }
    i32x8 low = (i32x8)__builtin_ia32_packusdw256(q[0], q[1]), high = (i32x8)__builtin_ia32_packusdw256(q[2], q[3]);
    i32x8 bytes = (i32x8)__builtin_ia32_packuswb256((i16x16)low, (i16x16)high);
    return (b8x32)__builtin_shufflevector(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7);
}

void kg_kv_store_q8_avx2(uint8_t *to, const float *head, uint32_t dim)
{
    if (dim % KG_KV_BLOCK) {
        kg_kv_store_q8_ref(to, head, dim);
        return;
    }
    float *scales = (float *)(void *)to;
    uint8_t *bytes = to + kg_kv_scales(dim) * sizeof *scales;
    for (uint32_t start = 0; start < dim; start += KG_KV_BLOCK) {
        float largest = greatest(head + start, KG_KV_BLOCK);
        *(b8x32_at *)(bytes + start) = round_to_bytes(head + start, largest > 0 ? 127.0f / largest : 0.0f);
        scales[start / KG_KV_BLOCK] = largest / 127.0f;
    }
}

void kg_kv_load_q8_avx2(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                        uint32_t end)
{
    const uint32_t width = end - first, whole = width - width % KG_LANES, size = kg_kv_size(KG_KV_Q8, dim);
    for (uint32_t i = 0; i < n; i++) {
        const float *scales = (const float *)(const void *)(from + (size_t)i * size);
        const uint8_t *bytes = (const uint8_t *)(scales + kg_kv_scales(dim)) + first;
        float *row = to + i * stride;
        for (uint32_t d = 0; d < whole; d += 8) {
            i32x8 q = __builtin_convertvector(*(const i8x8_at *)(bytes + d), i32x8);
            *(f32x8_at *)(row + d) = floats_of(scales[(first + d) / KG_KV_BLOCK]) * to_floats(q);
        }
    }
    if (whole < width) {
        kg_kv_load_q8_ref(to + whole, stride, from, n, dim, first + whole, end);
    }
}
