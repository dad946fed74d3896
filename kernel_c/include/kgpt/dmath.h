/* Real functions in double precision. Every function uses additions and multiplications in one fixed order, without
 * FMA, so all machines and compilers give the same bits. The error is below 0.6 ulp, or 0.8 ulp where the result is
 * denormal. Special values follow Annex F of C. */
#ifndef KGPT_DMATH_H
#define KGPT_DMATH_H

#include "kgpt/root.h"

double kg_exp(double x);
double kg_log(double x);
double kg_pow(double x, double y); /* correctly rounded for y = -1, 0.5, 1 and 2: 1 / x, sqrt(x), x, x * x */

#define KG_TRIG_MAX 0x1p20 /* NaN for larger |x|: our only arguments are random angles in [0, 2 pi) */
double kg_sin(double x);
double kg_cos(double x);

#endif
