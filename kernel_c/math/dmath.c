/* exp, log and pow in double precision: see kgpt/dmath.h.
 *
 * exp: x = n ln 2 / 64 + r with |r| <= ln 2 / 128, so e^x = 2^(n / 64) e^r. The fraction of the first factor comes
 * from a table of pairs, the second from its Taylor series. Only terms below 0.006 are rounded.
 *
 * log: x = 2^k m with m near c = 1 + i / 128. r = m / c - 1 is exact, because the table's 1 / c has 13 bits. Then ln
 * x = k ln 2 + ln c + ln(1 + r). The high parts of the first two terms are exact; the last term is a Taylor series.
 * Near 1, both k and ln c are 0.
 *
 * pow: the same logarithm as a pair of doubles (about 68 bits), times y, then exp of the pair. */
#include "kgpt/dmath.h"

#include <stdbool.h>
#include <stdint.h>

#include "dmath_sums.h"
#include "dmath_tables.h"

#define KG_EXP_MAX 0x1.62e42fefa39efp+9    /* ln of the largest double */
#define KG_EXP_MIN (-0x1.74910d52d3052p+9) /* below it the result rounds to 0 */
#define KG_EXPONENT_BITS 0x7FF0000000000000u
#define KG_MANTISSA_BITS 0x000FFFFFFFFFFFFFu
#define KG_ONE_BITS 0x3FF0000000000000u
#define KG_POW_Y_MAX 0x1p64  /* for |y| above, x^y is 0, 1 or infinite for every x except 1 */
#define KG_POW_Y_MIN 0x1p-66 /* for |y| below, x^y rounds to 1 for every finite x except 0 */

static double double_power_of_two(int64_t n)
{ /* -1022 <= n <= 1023 */
    return kg_double_of((uint64_t)(n + 1023) << 52);
}

static double scale_double(double x, int64_t n)
{
    if (n > 1023) { /* 2^1024 overflows; 2 * 2^1023 does not */
        return x * 2.0 * double_power_of_two(n - 1);
    }
    if (n < -1021) { /* only the last multiplication rounds to a denormal */
        return x * double_power_of_two(n + 200) * double_power_of_two(-200);
    }
    return x * double_power_of_two(n);
}

/* e^(high + low) for KG_EXP_MIN <= high <= KG_EXP_MAX. */
static double exp_of_pair(double high, double low)
{
    int64_t n = (int64_t)(high * KG_INVERSE_STEP + (high < 0 ? -0.5 : 0.5));
    double r = (high - (double)n * KG_STEP_HIGH) + (low - (double)n * KG_STEP_LOW);
    double r2 = r * r;
    double tail = (1.0 / 2 + r * (1.0 / 6)) + r2 * ((1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720));
    const double *power = kg_exp_table[(uint64_t)n % KG_EXP_PARTS];
    double mantissa = power[0] + (power[1] + power[0] * (r + r2 * tail));
    return scale_double(mantissa, n >> 6);
}

double kg_exp(double x)
{
    if (x != x) {
        return x;
    }
    if (x > KG_EXP_MAX) {
        return __builtin_inf();
    }
    if (x < KG_EXP_MIN) {
        return 0;
    }
    return exp_of_pair(x, 0);
}

/* Argument reduction of both logarithms: x = 2^k m, and the table entry for m. */
struct reduced {
    double r, r_low; /* m / c - 1 */
    double high;     /* k ln 2 + ln c; `low` is the rounding error of `high` */
    double low;
};

/* x is positive and finite. */
static struct reduced reduce_exponent(double x)
{
    uint64_t bits = kg_double_bits(x);
    int64_t k = -1023;
    if (bits <= KG_MANTISSA_BITS) {
        bits = kg_double_bits(x * 0x1p54);
        k -= 54;
    }
    uint32_t i = (uint32_t)(((bits & KG_MANTISSA_BITS) + (1ull << 44)) >> 45);
    k += (int64_t)(bits >> 52) + (i > KG_LOG_SQRT2_PART);
    double m = kg_double_of((bits & KG_MANTISSA_BITS) | KG_ONE_BITS), m_high = kg_upper_half(m);
    double inverse = kg_log_table[i].inverse;
    struct kg_pair r = kg_two_sum(m_high * inverse - 1, (m - m_high) * inverse);
    return (struct reduced){
        .r = r.high,
        .r_low = r.low,
        .high = (double)k * KG_LN2_HIGH + kg_log_table[i].log_high,
        .low = (double)k * KG_LN2_LOW + kg_log_table[i].log_low,
    };
}

/* ln(1 + r) - r + r^2 / 2, divided by r^3, for |r| <= 2^-8 + 2^-12. */
static double log_tail(double r)
{
    double r2 = r * r;
    double low = 1.0 / 3 - r * (1.0 / 4), middle = 1.0 / 5 - r * (1.0 / 6), high = 1.0 / 7 - r * (1.0 / 8);
    return low + r2 * (middle + r2 * (high + r2 * (1.0 / 9)));
}

double kg_log(double x)
{
    if (x != x || x == __builtin_inf()) {
        return x;
    }
    if (x <= 0) {
        return x == 0 ? -__builtin_inf() : __builtin_nan("");
    }
    struct reduced a = reduce_exponent(x);
    double r2 = a.r * a.r;
    struct kg_pair sum = kg_quick_two_sum(a.high, a.r);
    double rest = (a.low + a.r_low) + (r2 * a.r * log_tail(a.r) - 0.5 * r2);
    return sum.high + (sum.low + rest);
}

/* ln x with about 68 bits, for positive finite x. */
static struct kg_pair log_pair(double x)
{
    struct reduced a = reduce_exponent(x);
    struct kg_pair square = kg_two_product(a.r, a.r);
    struct kg_pair linear = kg_quick_two_sum(a.high, a.r);
    struct kg_pair sum = kg_two_sum(linear.high, -0.5 * square.high);
    double cubic = square.high * a.r * log_tail(a.r);
    double rest = (a.low + a.r_low) - (0.5 * square.low + a.r * a.r_low);
    return kg_quick_two_sum(sum.high, (linear.low + sum.low) + (cubic + rest));
}

static bool is_integer(double y)
{
    double magnitude = y < 0 ? -y : y;
    return magnitude >= 0x1p53 || (double)(int64_t)magnitude == magnitude;
}

static bool is_odd(double y)
{
    double magnitude = y < 0 ? -y : y;
    return magnitude < 0x1p53 && (double)(int64_t)magnitude == magnitude && (int64_t)magnitude % 2 == 1;
}

static bool is_negative(double x)
{
    return kg_double_bits(x) >> 63;
}

/* x is 0 or infinite; y is neither 0 nor NaN. */
static double pow_of_end(double x, double y)
{
    double magnitude = (x == 0) == (y > 0) ? 0.0 : __builtin_inf();
    return is_negative(x) && is_odd(y) ? -magnitude : magnitude;
}

/* x is positive, finite and not 1; y may be infinite, but not NaN. */
static double pow_of_positive(double x, double y)
{
    double magnitude = y < 0 ? -y : y;
    if (magnitude >= KG_POW_Y_MAX) {
        return (x > 1) == (y > 0) ? __builtin_inf() : 0.0;
    }
    if (magnitude <= KG_POW_Y_MIN) {
        return 1.0;
    }
    struct kg_pair log = log_pair(x);
    struct kg_pair product = kg_two_product(y, log.high);
    if (product.high > KG_EXP_MAX) {
        return __builtin_inf();
    }
    if (product.high < KG_EXP_MIN) {
        return 0.0;
    }
    return exp_of_pair(product.high, product.low + y * log.low);
}

static double general_pow(double x, double y)
{
    if (x == 1 || y == 0) {
        return 1.0;
    }
    if (x != x || y != y) {
        return x + y;
    }
    if (x == 0 || (kg_double_bits(x) & ~(1ull << 63)) == KG_EXPONENT_BITS) {
        return pow_of_end(x, y);
    }
    if (x > 0) {
        return pow_of_positive(x, y);
    }
    if (!is_integer(y)) {
        return __builtin_nan("");
    }
    double magnitude = x == -1 ? 1.0 : pow_of_positive(-x, y);
    return is_odd(y) ? -magnitude : magnitude;
}

double kg_pow(double x, double y)
{
    if (y == 2) {
        return x * x;
    }
    if (y == -1) {
        return 1 / x;
    }
    if (y == 0.5 && x > 0) {
        return kg_sqrt(x);
    }
    if (y == 1) {
        return x;
    }
    return general_pow(x, y);
}
