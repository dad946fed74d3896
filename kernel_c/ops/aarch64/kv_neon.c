/* Types of a cache of keys and values by NEON. FCVTN and FCVTL convert eight halves at once; they round to nearest, and
 * FPCR.FZ16 does not concern them. */
#include <arm_neon.h>

#include "ops/attention/versions.h"
#include "ops/quant/inline.h"

void kg_kv_store_f16_neon(uint8_t *to, const float *head, uint32_t dim)
{
    uint32_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        const float16x4_t low = vcvt_f16_f32(vld1q_f32(head + i));
        vst1q_u8(to + 2 * i, vreinterpretq_u8_f16(vcvt_high_f16_f32(low, vld1q_f32(head + i + 4))));
    }
    kg_kv_store_f16_ref(to + 2 * i, head + i, dim - i);
}

void kg_kv_load_f16_neon(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                         uint32_t end)
{
    const uint32_t width = end - first, whole = width - width % KG_LANES;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *halves = from + 2 * ((size_t)i * dim + first);
        float *row = to + i * stride;
        for (uint32_t d = 0; d < whole; d += 8) {
            const float16x8_t eight = vreinterpretq_f16_u8(vld1q_u8(halves + 2 * d));
            vst1q_f32(row + d, vcvt_f32_f16(vget_low_f16(eight)));
            vst1q_f32(row + d + 4, vcvt_high_f32_f16(eight));
        }
    }
    if (whole < width) {
        kg_kv_load_f16_ref(to + whole, stride, from, n, dim, first + whole, end);
    }
}

/* The largest magnitude of a block. Magnitudes compare as integers; a NaN is the largest. */
KG_INLINE float largest_magnitude(const float *x)
{
    uint32x4_t most = vdupq_n_u32(0);
    KG_UNROLL
    for (uint32_t i = 0; i < KG_KV_BLOCK; i += 4) {
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    }
    return vget_lane_f32(vreinterpret_f32_u32(vdup_n_u32(vmaxvq_u32(most))), 0);
}

/* The lowest bytes of eight sums, as kv_ref.c rounds. */
KG_INLINE int8x8_t round_eight(const float *x, float factor)
{
    const float32x4_t magic = vdupq_n_f32(0x1.8p23f);
    const int32x4_t low = vreinterpretq_s32_f32(vaddq_f32(vmulq_n_f32(vld1q_f32(x), factor), magic));
    const int32x4_t high = vreinterpretq_s32_f32(vaddq_f32(vmulq_n_f32(vld1q_f32(x + 4), factor), magic));
    return vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
}

void kg_kv_store_q8_neon(uint8_t *to, const float *head, uint32_t dim)
{
    if (dim % KG_KV_BLOCK) {
        kg_kv_store_q8_ref(to, head, dim);
        return;
    }
    float *scales = (float *)(void *)to;
    int8_t *bytes = (int8_t *)(scales + kg_kv_scales(dim));
    for (uint32_t start = 0; start < dim; start += KG_KV_BLOCK) {
        const float largest = largest_magnitude(head + start), inverse = largest > 0 ? 127.0f / largest : 0.0f;
        for (uint32_t i = start; i < start + KG_KV_BLOCK; i += 8) {
            vst1_s8(bytes + i, round_eight(head + i, inverse));
        }
        scales[start / KG_KV_BLOCK] = largest / 127.0f;
    }
}

void kg_kv_load_q8_neon(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                        uint32_t end)
{
    const uint32_t width = end - first, whole = width - width % KG_LANES, size = kg_kv_size(KG_KV_Q8, dim);
    for (uint32_t i = 0; i < n; i++) {
        const float *scales = (const float *)(const void *)(from + (size_t)i * size);
        const int8_t *bytes = (const int8_t *)(scales + kg_kv_scales(dim)) + first;
        float *row = to + i * stride;
        for (uint32_t d = 0; d < whole; d += 8) {
            const int16x8_t wide = vmovl_s8(vld1_s8(bytes + d));
            const float scale = scales[(first + d) / KG_KV_BLOCK];
            vst1q_f32(row + d, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), scale));
            vst1q_f32(row + d + 4, vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(wide)), scale));
        }
    }
    if (whole < width) {
        kg_kv_load_q8_ref(to + whole, stride, from, n, dim, first + whole, end);
    }
}
