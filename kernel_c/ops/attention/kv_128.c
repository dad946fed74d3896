/* Halves of a cache in 128-bit vectors, which every processor has. Integer operations convert them, because they are
 * cheap even where floats are emulated. */
#include "ops/quant/half.h"
#include "ops/quant/swar/swar.h"
#include "versions.h"

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

KG_ONE_PAGE void kg_kv_load_f16_128(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim,
                                    uint32_t first, uint32_t end)
{
    const uint32_t width = end - first, whole = width - width % KG_LANES;
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t *halves = (const uint16_t *)(const void *)from + (size_t)i * dim + first;
        float *row = to + i * stride;
        for (uint32_t d = 0; d < whole; d += 4) {
            *(f32x4_at *)(row + d) = load_four(halves + d);
        }
    }
    if (whole < width) {
        kg_kv_load_f16_ref(to + whole, stride, from, n, dim, first + whole, end);
    }
}
