/* The definition of dot and matmul (kgpt/ops.h) in plain C. */
#include "../versions.h"

#define LANES 16

float kg_dot_ref(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            lane[j] += a[i + j] * b[i + j];
        }
    }
    for (size_t j = 0; i + j < n; j++) {
        lane[j] += a[i + j] * b[i + j];
    }
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            lane[j] += lane[j + half];
        }
    }
    return lane[0];
}

void kg_matmul_ref(float *y, const float *w, const float *x, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++) {
        y[r] = kg_dot_ref(w + r * columns, x, columns);
    }
}
