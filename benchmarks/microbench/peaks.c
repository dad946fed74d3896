/* peaks NAME: the highest rate of multiplications with addition that one core reaches in registers, in MACs a second.
 *
 * Each loop is the sequence of instructions that a product needs, on eight sums that do not depend on each other:
 * bytes by bytes to 32-bit sums without VNNI (vpmaddubsw, vpmaddwd, vpaddd) and with it (vpdpbusd), and floats by a
 * multiplication and an addition, each rounded. */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SUMS 8u
#define LOOPS 4000000u
#define PASSES 5

/* The compiler takes `x` for a new value, so it repeats what it computes from it. */
#define RENEW(x) __asm__ volatile("" : "+v"(x))

#define DEFINE_LOOP(name, features, vector, fill, add)                                                      \
    __attribute__((target(features))) static void name(unsigned loops)                                      \
    {                                                                                                       \
        vector a = fill, b = fill, ones = fill, s[SUMS] = {fill, fill, fill, fill, fill, fill, fill, fill}; \
        for (unsigned i = 0; i < loops; i++) {                                                              \
            _Pragma("clang loop unroll(full)") for (unsigned j = 0; j < SUMS; j++)                          \
            {                                                                                               \
                RENEW(a);                                                                                   \
                s[j] = add;                                                                                 \
                RENEW(s[j]);                                                                                \
            }                                                                                               \
        }                                                                                                   \
        (void)ones;                                                                                         \
        (void)b;                                                                                            \
    }

DEFINE_LOOP(int_avx2, "avx2", __m256i, _mm256_set1_epi8(1),
            _mm256_add_epi32(s[j], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones)))
DEFINE_LOOP(int_avx512, "avx512f,avx512bw", __m512i, _mm512_set1_epi8(1),
            _mm512_add_epi32(s[j], _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones)))
DEFINE_LOOP(vnni_256, "avx512f,avx512vl,avx512vnni", __m256i, _mm256_set1_epi8(1), _mm256_dpbusd_epi32(s[j], a, b))
DEFINE_LOOP(vnni_avx, "avx2,avxvnni", __m256i, _mm256_set1_epi8(1), _mm256_dpbusd_avx_epi32(s[j], a, b))
DEFINE_LOOP(vnni_512, "avx512f,avx512vnni", __m512i, _mm512_set1_epi8(1), _mm512_dpbusd_epi32(s[j], a, b))
DEFINE_LOOP(float_avx2, "avx2", __m256, _mm256_set1_ps(0.5f), _mm256_add_ps(s[j], _mm256_mul_ps(a, b)))
DEFINE_LOOP(float_avx512, "avx512f", __m512, _mm512_set1_ps(0.5f), _mm512_add_ps(s[j], _mm512_mul_ps(a, b)))

static const struct peak {
    const char *name;
    void (*loop)(unsigned loops);
    unsigned macs; /* of a step */
} peaks[] = {
    {"int-avx2", int_avx2, 32},         {"int-avx512", int_avx512, 64}, {"vnni-256", vnni_256, 32},
    {"vnni-avx", vnni_avx, 32},         {"vnni-512", vnni_512, 64},     {"float-avx2", float_avx2, 8},
    {"float-avx512", float_avx512, 16},
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof peaks / sizeof peaks[0]; i++) {
        if (strcmp(argv[1], peaks[i].name) != 0) {
            continue;
        }
        double best = 0;
        for (unsigned pass = 0; pass < PASSES; pass++) {
            double start = seconds_now();
            peaks[i].loop(LOOPS);
            double rate = (double)LOOPS * SUMS * peaks[i].macs / (seconds_now() - start);
            best = rate > best ? rate : best;
        }
        printf("%.0f\n", best);
        return 0;
    }
    fputs("usage: peaks NAME\n", stderr);
    return 2;
}
