/* 8-bit activations with AVX2; act.h defines them. */
#include "avx2.h"
#include "ops/quant/act.h"
#include "ops/quant/versions.h"

/* 32 values as bytes: adding 1.5 * 2^23 rounds to an integer in the low byte. */
KG_INLINE b8x32 quantise(const float *x, float factor)
{
    i32x8 q[4];
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        q[i] =
            (i32x8)(*(const f32x8_at *)(x + 8 * i) * floats_of(factor) + floats_of(0x1.8p23f)) - words_of(0x4b400000);
    }
    i32x8 low = (i32x8)__builtin_ia32_packssdw256(q[0], q[1]), high = (i32x8)__builtin_ia32_packssdw256(q[2], q[3]);
    i32x8 bytes = (i32x8)__builtin_ia32_packsswb256((i16x16)low, (i16x16)high);
    return (b8x32)__builtin_shufflevector(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7);
}

void kg_act_q8_avx2(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8 *to = out;
    for (uint32_t i = 0; i < columns; i += 32, to++) {
        const float most = greatest(x + i, 32);
        const bool zero = most < KG_ACT_LEAST;
        b8x32 q = quantise(x + i, zero ? 0.0f : 127.0f / most);
        i32x8 sum = add_pairs(multiply_bytes(bytes_of(1), q));
        sum += __builtin_shufflevector(sum, sum, 4, 5, 6, 7, 0, 1, 2, 3);
        sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5);
        to->d = zero ? 0.0f : most / 127.0f;
        to->sum = sum[0] + sum[1];
        to->s = (float)to->sum;
        to->low = to->d * 0x1p-24f;
        *(b8x32_at *)to->q = q;
    }
}

void kg_act_q8k_avx2(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8k *to = out;
    for (uint32_t i = 0; i < columns; i += 256, to++) {
        const float most = greatest(x + i, 256);
        const bool zero = most < KG_ACT_LEAST;
        *to = (struct kg_act_q8k){.d = zero ? 0.0f : most / 127.0f};
        for (uint32_t j = 0; j < 256; j += 32) {
            b8x32 q = quantise(x + i + j, zero ? 0.0f : 127.0f / most);
            i32x8 sum = add_pairs(multiply_bytes(bytes_of(1), q));
            sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5);
            to->sums[j / 16] = (int16_t)(sum[0] + sum[1]);
            to->sums[j / 16 + 1] = (int16_t)(sum[4] + sum[5]);
            *(b8x32_at *)(to->q + j) = q;
        }
    }
}
