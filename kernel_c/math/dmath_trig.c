/* sin and cos in double precision: see kgpt/dmath.h.
 *
 * x = n pi / 2 + r with |r| <= pi / 4, where r is a pair. pi / 2 is subtracted in four parts (Cody and Waite); n
 * times each of the first three is exact. The first two terms of the Taylor series are exact; the rest, below 1/50
 * of them, is rounded. */
#include "kgpt/dmath.h"

#include <stdint.h>

#include "dmath_sums.h"
#include "dmath_tables.h"

#define KG_TRIG_TINY 0x1p-27 /* up to this |x|, sin x rounds to x and cos x to 1 */

struct angle {
    struct kg_pair r;
    uint64_t quadrant;
};

static struct angle reduce_angle(double x)
{
    int64_t n = (int64_t)(x * KG_INVERSE_HALF_PI + (x < 0 ? -0.5 : 0.5));
    double count = (double)n;
    struct kg_pair second = kg_two_sum(x - count * KG_HALF_PI_1, -(count * KG_HALF_PI_2));
    struct kg_pair third = kg_two_sum(second.high, -(count * KG_HALF_PI_3));
    double low = (second.low + third.low) - count * KG_HALF_PI_4;
    return (struct angle){kg_two_sum(third.high, low), (uint64_t)n % 4};
}

static struct kg_pair square_of(struct kg_pair r)
{
    struct kg_pair square = kg_two_product(r.high, r.high);
    square.low += 2 * (r.high * r.low);
    return square;
}

/* r - r^3 / 6 + r^5 / 120 - … */
static double sin_series(struct kg_pair r)
{
    struct kg_pair z = square_of(r);
    double z1 = z.high;
    double tail =
        1.0 / 120 +
        z1 * (-1.0 / 5040 +
              z1 * (1.0 / 362880 +
                    z1 * (-1.0 / 39916800 +
                          z1 * (1.0 / 6227020800.0 + z1 * (-1.0 / 1307674368000.0 + z1 * (1.0 / 355687428096000.0))))));
    struct kg_pair cube = kg_two_product(z.high, r.high);
    cube.low += z.high * r.low + z.low * r.high;
    struct kg_pair sixth = kg_two_product(cube.high, KG_SIXTH_HIGH);
    sixth.low += cube.high * KG_SIXTH_LOW + cube.low * KG_SIXTH_HIGH;
    struct kg_pair sum = kg_quick_two_sum(r.high, -sixth.high);
    return sum.high + (sum.low + ((r.low - sixth.low) + z1 * cube.high * tail));
}

/* 1 - r^2 / 2 + r^4 / 24 - … */
static double cos_series(struct kg_pair r)
{
    struct kg_pair z = square_of(r);
    double z1 = z.high;
    double tail =
        1.0 / 24 +
        z1 * (-1.0 / 720 + z1 * (1.0 / 40320 + z1 * (-1.0 / 3628800 +
                                                     z1 * (1.0 / 479001600 + z1 * (-1.0 / 87178291200.0 +
                                                                                   z1 * (1.0 / 20922789888000.0))))));
    struct kg_pair sum = kg_quick_two_sum(1.0, -0.5 * z.high);
    return sum.high + (sum.low + (z1 * z1 * tail - 0.5 * z.low));
}

static double magnitude_of(double x)
{
    return x < 0 ? -x : x;
}

double kg_sin(double x)
{
    if (magnitude_of(x) <= KG_TRIG_TINY) {
        return x;
    }
    if (!(magnitude_of(x) <= KG_TRIG_MAX)) {
        return __builtin_nan("");
    }
    struct angle angle = reduce_angle(x);
    double value = angle.quadrant % 2 ? cos_series(angle.r) : sin_series(angle.r);
    return angle.quadrant >= 2 ? -value : value;
}

double kg_cos(double x)
{
    if (magnitude_of(x) <= KG_TRIG_TINY) {
        return 1.0;
    }
    if (!(magnitude_of(x) <= KG_TRIG_MAX)) {
        return __builtin_nan("");
    }
    struct angle angle = reduce_angle(x);
    double value = angle.quadrant % 2 ? sin_series(angle.r) : cos_series(angle.r);
    return angle.quadrant == 1 || angle.quadrant == 2 ? -value : value;
}
