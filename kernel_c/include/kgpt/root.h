/* Square roots, correctly rounded by IEEE 754. One instruction, which every processor of an architecture has: compilers
 * would call a library for some, and have no common way to say it of vectors. */
#ifndef KGPT_ROOT_H
#define KGPT_ROOT_H

#if defined __aarch64__
#define KG_ROOT_F32(root, x) __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(x))
#define KG_ROOT_F64(root, x) __asm__("fsqrt %d0, %d1" : "=w"(root) : "w"(x))
/* Of each element of a vector: of 128 bits, and on x86 of as many as the file may use. */
#define KG_ROOTS_F32(roots, x) __asm__("fsqrt %0.4s, %1.4s" : "=w"(roots) : "w"(x))
#define KG_ROOTS_F64(roots, x) __asm__("fsqrt %0.2d, %1.2d" : "=w"(roots) : "w"(x))
#else
#define KG_ROOT_F32(root, x) __asm__("sqrtss %1, %0" : "=x"(root) : "x"(x))
#define KG_ROOT_F64(root, x) __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x))
#ifdef __AVX__
#define KG_ROOTS_F32(roots, x) __asm__("vsqrtps %1, %0" : "=v"(roots) : "v"(x))
#define KG_ROOTS_F64(roots, x) __asm__("vsqrtpd %1, %0" : "=v"(roots) : "v"(x))
#else
#define KG_ROOTS_F32(roots, x) __asm__("sqrtps %1, %0" : "=x"(roots) : "x"(x))
#define KG_ROOTS_F64(roots, x) __asm__("sqrtpd %1, %0" : "=x"(roots) : "x"(x))
#endif
#endif

static inline float kg_sqrtf(float x)
{
    float root;
    KG_ROOT_F32(root, x);
    return root;
}

static inline double kg_sqrt(double x)
{
    double root;
    KG_ROOT_F64(root, x);
    return root;
}

#endif
