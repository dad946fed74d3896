/* Computes with random bit patterns, for test_aarch64.py: writes the results to standard output, for two processors to
 * be compared. NaN is written as one pattern: which one it is no result of the engine shows, because logits and weights
 * that are no numbers end a run. */
#include <stdio.h>
#include <string.h>

#include "kgpt/attention.h"
#include "kgpt/dmath.h"
#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/math_inline.h"
#include "kgpt/quant.h"
#include "kgpt/random.h"
#include "ops/attention/versions.h"
#include "ops/quant/act.h"
#include "ops/quant/half.h"
#include "ops/quant/versions.h"

#define N 30000
#define COLUMNS 512

/* x86 has the definition, the other processor its own instructions. */
#ifdef __aarch64__
#define ACT(kind) kg_act_##kind##_neon
kg_act_fn kg_act_q8_neon, kg_act_q8k_neon;
#else
#define ACT(kind) kg_act_##kind##_ref
#endif

static uint64_t pattern(struct kg_random *random, uint32_t i, uint32_t exponent_bits, uint32_t fraction_bits)
{
    uint64_t bits = kg_random_next(random);
    const uint64_t exponents = ((1ull << exponent_bits) - 1) << fraction_bits;
    switch (i % 4) { /* any, denormal, near 1, infinite or NaN */
    case 1: return bits & ~exponents;
    case 2: return (bits & ~exponents) | ((exponents >> 1) & exponents);
    case 3: return i % 32 == 3 ? bits | exponents : bits;
    default: return bits;
    }
}

static void write_f32(float value)
{
    uint32_t bits = value == value ? kg_bits_of(value) : 0x7fc00000;
    fwrite(&bits, sizeof bits, 1, stdout);
}

static void write_f64(double value)
{
    uint64_t bits = 0x7ff8000000000000;
    if (value == value) {
        memcpy(&bits, &value, sizeof bits);
    }
    fwrite(&bits, sizeof bits, 1, stdout);
}

static void floats(struct kg_random *random)
{
    for (uint32_t i = 0; i < N; i++) {
        const float x = kg_float_of((uint32_t)pattern(random, i, 8, 23)),
                    y = kg_float_of((uint32_t)pattern(random, i / 4, 8, 23));
        write_f32(kg_expf(x));
        write_f32(kg_exp_inline(x));
        write_f32(kg_erf_inline(x));
        write_f32(kg_sqrtf(x));
        write_f32(x * y + x);
        write_f32(x / y);
        write_f32(x > y ? x : y);
        write_f32((float)(double)x);
        write_f32((float)(int32_t)(uint32_t)pattern(random, 0, 8, 23));
        const uint16_t half = kg_f32_to_f16(x);
        const bool is_number = x == x;
        fwrite(is_number ? &half : &(uint16_t){0x7e00}, sizeof half, 1, stdout);
        write_f32(kg_f16_to_f32((uint16_t)pattern(random, i, 5, 10)));
    }
}

static void doubles(struct kg_random *random)
{
    char text[64];
    for (uint32_t i = 0; i < N / 4; i++) {
        uint64_t bits = pattern(random, i, 11, 52), other = pattern(random, i / 4, 11, 52);
        double x, y;
        memcpy(&x, &bits, sizeof x);
        memcpy(&y, &other, sizeof y);
        write_f64(kg_exp(x));
        write_f64(kg_log(x));
        write_f64(kg_pow(x, y));
        write_f64(kg_sin(x));
        write_f64(kg_cos(x));
        write_f64(kg_sqrt(x));
        write_f32((float)x);
        memset(text, 0, sizeof text);
        kg_format(text, sizeof text, "%.6f %.9f", x, y);
        fwrite(text, sizeof text, 1, stdout);
    }
}

static void write_act(void (*convert)(void *out, const float *x, uint32_t columns), const float *x, size_t size)
{
    static uint8_t out[8192];
    memset(out, 0, sizeof out);
    convert(out, x, COLUMNS);
    fwrite(out, size, 1, stdout);
}

/* Activations, and heads of a cache: of numbers only, as the engine has them. */
static void conversions(struct kg_random *random)
{
    static float x[COLUMNS];
    uint32_t n = 0;
    static uint8_t head[8192];
    for (uint32_t round = 0; round < 300; round++) {
        for (uint32_t i = 0; i < COLUMNS; i++) {
            do {
                x[i] = kg_float_of((uint32_t)pattern(random, n++, 8, 23));
            } while (!kg_is_finite(x[i]));
        }
        write_act(ACT(q8), x, kg_act_q8_packed_at(COLUMNS));
        write_act(ACT(q8k), x, kg_act_q8k_packed_at(COLUMNS));
        kg_kv_store_fn *const stores[] = {kg_kv_store_f16_ref, kg_kv_store_q8_ref, kg_kv_store_f32_ref};
        for (uint32_t type = 0; type < KG_N_KV; type++) {
            memset(head, 0, sizeof head);
            stores[type](head, x, 96);
            fwrite(head, kg_kv_size(type, 96), 1, stdout);
        }
    }
}

int main(void)
{
    struct kg_random random;
    kg_random_seed(&random, 17, 0);
    floats(&random);
    doubles(&random);
    conversions(&random);
    return 0;
}
