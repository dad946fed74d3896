/* 8-bit activations by NEON; ops/quant/act.h defines them. */
#include "neon.h"

#include "ops/quant/act.h"
#include "ops/quant/versions.h"

/* The largest magnitude of n values. The bits of non-negative floats compare like the floats. */
KG_INLINE float greatest(const float *x, uint32_t n)
{
    uint32x4_t most = vdupq_n_u32(0);
    for (uint32_t i = 0; i < n; i += 4) {
        most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + i)), vdupq_n_u32(0x7fffffff)));
    }
    return vget_lane_f32(vreinterpret_f32_u32(vdup_n_u32(vmaxvq_u32(most))), 0);
}

/* 16 values as bytes: adding 1.5 * 2^23 rounds to an integer in the low byte. */
KG_INLINE int8x16_t quantise(const float *x, float factor)
{
    uint16x8_t halves[2];
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const float32x4_t add = vdupq_n_f32(0x1.8p23f);
        const float32x4_t low = vld1q_f32(x + 8 * i) * factor + add, high = vld1q_f32(x + 8 * i + 4) * factor + add;
        halves[i] = vuzp1q_u16(vreinterpretq_u16_f32(low), vreinterpretq_u16_f32(high));
    }
    return vreinterpretq_s8_u8(vuzp1q_u8(vreinterpretq_u8_u16(halves[0]), vreinterpretq_u8_u16(halves[1])));
}

void kg_act_q8_neon(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8 *to = out;
    for (uint32_t i = 0; i < columns; i += 32, to++) {
        const float most = greatest(x + i, 32);
        const bool zero = most < KG_ACT_LEAST;
        const float factor = zero ? 0.0f : 127.0f / most;
        const int8x16_t first = quantise(x + i, factor), second = quantise(x + i + 16, factor);
        to->d = zero ? 0.0f : most / 127.0f;
        to->sum = vaddlvq_s8(first) + vaddlvq_s8(second);
        to->s = (float)to->sum;
        to->low = to->d * 0x1p-24f;
        vst1q_s8(to->q, first);
        vst1q_s8(to->q + 16, second);
    }
}

void kg_act_q8k_neon(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8k *to = out;
    for (uint32_t i = 0; i < columns; i += 256, to++) {
        const float most = greatest(x + i, 256);
        const bool zero = most < KG_ACT_LEAST;
        *to = (struct kg_act_q8k){.d = zero ? 0.0f : most / 127.0f};
        for (uint32_t j = 0; j < 256; j += 16) {
            const int8x16_t q = quantise(x + i + j, zero ? 0.0f : 127.0f / most);
            to->sums[j / 16] = vaddlvq_s8(q);
            vst1q_s8(to->q + j, q);
        }
    }
}
