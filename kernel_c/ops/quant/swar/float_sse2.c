/* F16 weights with 128-bit vectors, which every x86-64 processor has. Integer operations convert them, because they
 * are cheap even where floats are emulated. The order of additions is that of dot (kgpt/ops.h). */
#include "ops/quant/half.h"
#include "ops/quant/versions.h"
#include "swar.h"

#define LANES 16

typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef f32x4 f32x4_at __attribute__((aligned(4), may_alias));

/* Converts four halves. */
KG_INLINE f32x4 load_four(const uint16_t *a)
{
    uint64_t halves = kg_load64((const uint8_t *)a);
    if (kg_unusual_halves(halves)) {
        return (f32x4){kg_half_value(a[0]), kg_half_value(a[1]), kg_half_value(a[2]), kg_half_value(a[3])};
    }
    typedef uint64_t u64x2 __attribute__((vector_size(16)));
    u16x8 low = (u16x8)(u64x2){halves, 0}, zero = {0};
    u32x4 v = (u32x4)__builtin_shufflevector(zero, low, 0, 8, 1, 9, 2, 10, 3,
                                             11); /* each half in the upper 16 bits of a lane */
    return (f32x4)((v & 0x80000000) | (((v & 0x7fff0000) >> 3) + (112u << 23)));
}

KG_ONE_PAGE float kg_dot_f16_sse2(const uint16_t *a, const float *b, size_t n)
{
    f32x4 sum[4] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        KG_UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] += load_four(a + i + 4 * k) * *(const f32x4_at *)(b + i + 4 * k);
        }
    }
    float *lane = (float *)sum;
    for (size_t j = 0; i + j < n; j++) {
        lane[j] += kg_half_value(a[i + j]) * b[i + j];
    }
    f32x4 four = (sum[0] + sum[2]) + (sum[1] + sum[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

KG_ONE_PAGE void kg_add_scaled_f16_sse2(float *y, const uint16_t *a, float s, size_t n)
{
    const f32x4 scale = {s, s, s, s};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        *(f32x4_at *)(y + i) += scale * load_four(a + i);
    }
    kg_add_scaled_f16_ref(y + i, a + i, s, n - i);
}
