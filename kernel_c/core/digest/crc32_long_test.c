#include "kgpt/crc32.h"
#include "kgpt/test.h"

KG_TEST(crc32_long, is_crc32)
{
    uint8_t bytes[1000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    for (size_t n = 0; n < 40; n++) {
        KG_CHECK_EQ(t, kg_crc32_long(bytes + n % 8, n), kg_crc32(bytes + n % 8, n));
    }
    KG_CHECK_EQ(t, kg_crc32_long(bytes, sizeof bytes), kg_crc32(bytes, sizeof bytes));
    KG_CHECK_EQ(t, kg_crc32_long("123456789", 9), 0xCBF43926);
}

KG_TEST(crc32_fast, is_crc32)
{
    uint8_t bytes[1000];
    uint32_t x = 2;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    for (size_t n = 0; n < 400; n++) {
        uint32_t expected = kg_crc32(bytes + n % 17, n);
        KG_CHECK_EQ(t, kg_crc32_fast(bytes + n % 17, n, t->cpu->features), expected);
        KG_CHECK_EQ(t, kg_crc32_fast(bytes + n % 17, n, 0), expected);
    }
    KG_CHECK_EQ(t, kg_crc32_fast(bytes, sizeof bytes, t->cpu->features), kg_crc32(bytes, sizeof bytes));
}
