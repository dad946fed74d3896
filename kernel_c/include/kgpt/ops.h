/* Vector arithmetic with one version per instruction set, behind a table of functions.
 *
 * All versions give the same bits, because the definition fixes the order of the additions. dot(a, b, n) has 16
 * lanes. Lane j starts at +0 and adds the products a[i] * b[i] for i = j, j + 16, j + 32, … in this order; each
 * product is rounded before its addition. Then lane j += lane j + 8 for j < 8, += lane j + 4 for j < 4, += lane j +
 * 2 for j < 2. The result is lane 0 + lane 1. ops/ref implements this definition in C; the other versions are tested
 * against it. */
#ifndef KGPT_OPS_H
#define KGPT_OPS_H

#include <stddef.h>
#include <stdint.h>

/* Named sets of features that code may use: the values of cpumask=. They are no line: AVX-512 does not imply AVX-VNNI,
 * nor the other way round. With a set of another architecture plain C computes. */
enum kg_isa {
    KG_ISA_C,
    KG_ISA_AVX2,
    KG_ISA_AVX512,
    KG_ISA_AVXVNNI,
    KG_ISA_AVX512VNNI,
    KG_ISA_NEON,
    KG_ISA_DOTPROD,
    KG_ISA_I8MM,
    KG_ISA_ALL, /* whatever there is */
};
#define KG_N_ISA 9

extern const char *const kg_isa_names[KG_N_ISA + 1]; /* as in options.def, then NULL */

/* The features (enum kg_cpu_feature) that a set allows. */
uint32_t kg_isa_features(enum kg_isa allowed);

struct kg_ops {
    enum kg_isa isa; /* what the functions use: KG_ISA_C, KG_ISA_AVX2, KG_ISA_AVX512 or KG_ISA_NEON */
    float (*dot)(const float *a, const float *b, size_t n);
    /* y[r] = dot(row r of w, x): w (rows, columns) row-major, x (columns), y (rows); y overlaps neither */
    void (*matmul)(float *y, const float *w, const float *x, size_t rows, size_t columns);
};

/* Fills the table with the best functions for these features (enum kg_cpu_feature), as far as `allowed` has them. */
void kg_ops_fill(struct kg_ops *ops, uint32_t features, enum kg_isa allowed);

#endif
