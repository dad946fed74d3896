/* Functions of a real variable in double precision: additions and multiplications in one fixed order, no FMA, so the same
 * bits on every machine and by every compiler. Each is within 0.6 ulp of the true value, 0.8 where that is denormal;
 * special values are those of C's Annex F. */
#ifndef KGPT_DMATH_H
#define KGPT_DMATH_H

double kg_exp(double x);
double kg_log(double x);
double kg_pow(double x, double y); /* y = -1, 0.5, 1 and 2 are correctly rounded: 1 / x, sqrt(x), x, x * x */

#define KG_TRIG_MAX 0x1p20 /* NaN where |x| is larger: what is random here is an angle in [0, 2 pi) */
double kg_sin(double x);
double kg_cos(double x);

/* Correctly rounded by IEEE 754, and one instruction of the base line. */
static inline double kg_sqrt(double x)
{
    double root;
    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
    return root;
}

#endif
