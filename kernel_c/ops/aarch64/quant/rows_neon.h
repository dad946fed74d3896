/* The loop over groups of rows and tokens for both families of types. The including file defines `struct kind`, with
 * the bytes of a block, and `tile`, which computes one group for 1, 2 or 4 tokens; with KG_HAS_MATRIX two at once. */
#ifndef KGPT_OPS_AARCH64_QUANT_ROWS_NEON_H
#define KGPT_OPS_AARCH64_QUANT_ROWS_NEON_H

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind, uint32_t block,
                    kg_rows_fn *rest)
{
    const uint32_t blocks = matrix->columns / block, whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)blocks * kind.bytes;
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + r * row_bytes, *a = acts;
        float *to = y + r;
        uint32_t t = 0;
        for (; t + 4 <= tokens; t += 4, a += 4 * act_stride, to += 4 * y_stride) {
            tile(to, y_stride, p, blocks, a, act_stride, 4, kind);
        }
        for (; KG_HAS_MATRIX && t + 2 <= tokens; t += 2, a += 2 * act_stride, to += 2 * y_stride) {
            tile(to, y_stride, p, blocks, a, act_stride, 2, kind);
        }
        for (; t < tokens; t++, a += act_stride, to += y_stride) {
            tile(to, y_stride, p, blocks, a, act_stride, 1, kind);
        }
    }
    if (whole < n) {
        rest(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

#endif
