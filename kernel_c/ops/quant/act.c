/* 8-bit activations in plain C; act.h defines them. */
#include "act.h"

#include "half.h"
#include "kgpt/mem.h"
#include "versions.h"

uint64_t kg_act_size(enum kg_act act, uint32_t columns)
{
    switch (act) {
    case KG_ACT_Q8: return kg_act_q8_packed_at(columns) + (uint64_t)columns / 4 * sizeof(uint64_t);
    case KG_ACT_Q8K: return kg_act_q8k_packed_at(columns) + (uint64_t)columns / 4 * sizeof(uint64_t);
    default: return (uint64_t)columns * sizeof(float);
    }
}

/* The largest magnitude. The bits of non-negative floats compare like the floats, and integer operations are cheap
 * everywhere. */
static float greatest_magnitude(const float *x, uint32_t n)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = kg_bits_of(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return kg_float_of(most);
}

/* Quantizes n values and returns their scale. */
static float quantise_block(int8_t *q, const float *x, uint32_t n)
{
    float most = greatest_magnitude(x, n);
    if (most < KG_ACT_LEAST) {
        memset(q, 0, n);
        return 0;
    }
    float factor = 127.0f / most;
    for (uint32_t i = 0; i < n;
         i++) { /* adding 1.5 * 2^23 rounds to an integer, whose two's complement is in the low byte */
        q[i] = (int8_t)kg_bits_of(x[i] * factor + 0x1.8p23f);
    }
    return most / 127.0f;
}

void kg_act_f32_ref(void *out, const float *x, uint32_t columns)
{
    memcpy(out, x, (size_t)columns * sizeof *x);
}

void kg_act_q8_ref(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8 *to = out;
    for (uint32_t i = 0; i < columns; i += 32, to++) {
        to->d = quantise_block(to->q, x + i, 32);
        to->sum = 0;
        for (uint32_t j = 0; j < 32; j++) {
            to->sum += to->q[j];
        }
        to->s = (float)to->sum;
        to->low = to->d * 0x1p-24f;
    }
}

void kg_act_q8k_ref(void *out, const float *x, uint32_t columns)
{
    struct kg_act_q8k *to = out;
    for (uint32_t i = 0; i < columns; i += 256, to++) {
        memset(to, 0, sizeof *to);
        to->d = quantise_block(to->q, x + i, 256);
        for (uint32_t j = 0; j < 256; j++) {
            to->sums[j / 16] += to->q[j];
        }
    }
}
