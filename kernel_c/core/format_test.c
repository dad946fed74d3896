#include "kgpt/format.h"

#include "kgpt/test.h"

#define FORMATS(t, expected, ...)                                   \
    do {                                                            \
        char out_[128];                                             \
        size_t length_ = kg_format(out_, sizeof out_, __VA_ARGS__); \
        KG_CHECK_TEXT(t, out_, expected);                           \
        KG_CHECK_EQ(t, length_, kg_strlen(expected));               \
    } while (0)

KG_TEST(format, integers)
{
    FORMATS(t, "0 -1 2147483647 -2147483648", "%d %i %d %d", 0, -1, 2147483647, -2147483647 - 1);
    FORMATS(t, "4294967295 ffffffff FFFFFFFF", "%u %x %X", 4294967295u, 4294967295u, 4294967295u);
    FORMATS(t, "-9223372036854775808", "%ld", (long)INT64_MIN);
    FORMATS(t, "18446744073709551615", "%lu", (unsigned long)UINT64_MAX);
    FORMATS(t, "18446744073709551615", "%zu", (size_t)UINT64_MAX);
    FORMATS(t, "-1 255", "%hhd %hhu", (signed char)-1, (unsigned char)255);
}

KG_TEST(format, widths)
{
    FORMATS(t, "[   7][7   ][0007]", "[%4d][%-4d][%04d]", 7, 7, 7);
    FORMATS(t, "[-007][ -7][007]", "[%04d][%3d][%.3d]", -7, -7, 7);
    FORMATS(t, "[  ab][ab  ][  a]", "[%4s][%-4s][%3.1s]", "ab", "ab", "abc");
    FORMATS(t, "[    5][5    ]", "[%*d][%*d]", 5, 5, -5, 5);
    FORMATS(t, "12345", "%2d", 12345);
}

KG_TEST(format, thousands)
{
    FORMATS(t, "999 1,000 12,345,678", "%'d %'d %'d", 999, 1000, 12345678);
    FORMATS(t, "-1,234", "%'d", -1234);
    FORMATS(t, "10,650", "%'.0f", 10650.2);
}

KG_TEST(format, floats)
{
    FORMATS(t, "0.500000 1.5 2 -0.25", "%f %.1f %.0f %.2f", 0.5, 1.5, 1.9, -0.25);
    FORMATS(t, "0.05 9.99 10.0", "%.2f %.2f %.1f", 0.05, 9.99, 9.96);
    FORMATS(t, "   1.50|001.50", "%7.2f|%06.2f", 1.5, 1.5);
    FORMATS(t, "0.000000001", "%.9f", 1e-9);
    FORMATS(t, "inf -inf nan", "%f %f %f", __builtin_inf(), -__builtin_inf(), __builtin_nan(""));
}

KG_TEST(format, huge_floats_keep_their_magnitude)
{
    FORMATS(t, "1000000000000000000", "%.0f", 1e18);
    FORMATS(t, "1000000000000000000e2", "%.0f", 1e20);
}

KG_TEST(format, text)
{
    static const char no_nul[3] = {'a', 'b', 'c'};
    FORMATS(t, "abc", "%.3s", no_nul);
    const char *volatile nothing = NULL; /* volatile: otherwise the compiler would warn */
    FORMATS(t, "(null) x %", "%s %c %%", nothing, 'x');
    FORMATS(t, "0x1000", "%p", (void *)0x1000);
}

KG_TEST(format, stays_inside_the_buffer)
{
    char out[8] = "zzzzzzz";
    KG_CHECK_EQ(t, kg_format(out, 4, "%s", "abcdef"), 6);
    KG_CHECK_TEXT(t, out, "abc");
    KG_CHECK(t, out[4] == 'z' && out[5] == 'z');
    KG_CHECK_EQ(t, kg_format(out, 0, "%d", 12), 2);
    KG_CHECK_EQ(t, kg_format(NULL, 0, "%d", 12), 2);
    KG_CHECK_EQ(t, kg_format_stored(6, 4), 3);
    KG_CHECK_EQ(t, kg_format_stored(2, 4), 2);
    KG_CHECK_EQ(t, kg_format_stored(2, 0), 0);
}
