/* The loop over groups of rows and tokens for both families of types. The including file defines `struct kind`, with
 * the bytes of a block, and `tile`, which computes one group for 1 to 4 or 8 tokens and reads nothing from `end` on.
 * `block` is the number of values in a block; `rest` computes the remaining rows, which do not fill a vector. */
#ifndef KGPT_QUANT_ROWS_AVX2_H
#define KGPT_QUANT_ROWS_AVX2_H

#include "kgpt/quant.h"
#include "ops/quant/inline.h"

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind, uint32_t block,
                    kg_rows_fn *rest)
{
    const uint32_t blocks = matrix->columns / block, whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)blocks * kind.bytes;
    const uint8_t *end = matrix->data + matrix->rows * row_bytes;
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + r * row_bytes, *a = acts;
        float *to = y + r;
        uint32_t t = 0;
        for (; t + 8 <= tokens; t += 8, a += 8 * act_stride, to += 8 * y_stride) {
            tile(to, y_stride, p, end, blocks, a, act_stride, 8, kind);
        }
        for (; t + 4 <= tokens; t += 4, a += 4 * act_stride, to += 4 * y_stride) {
            tile(to, y_stride, p, end, blocks, a, act_stride, 4, kind);
        }
        if (tokens - t == 3) {
            tile(to, y_stride, p, end, blocks, a, act_stride, 3, kind);
            continue;
        }
        if (tokens - t == 2) {
            tile(to, y_stride, p, end, blocks, a, act_stride, 2, kind);
            continue;
        }
        if (t < tokens) {
            tile(to, y_stride, p, end, blocks, a, act_stride, 1, kind);
        }
    }
    if (whole < n) {
        rest(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

#endif
