#include "kgpt/crc32.h"

#include "kgpt/test.h"

KG_TEST(crc32, known_answers)
{
    uint8_t all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    KG_CHECK_EQ(t, kg_crc32("", 0), 0);
    KG_CHECK_EQ(t, kg_crc32("123456789", 9), 0xCBF43926);
    KG_CHECK_EQ(t, kg_crc32(all, sizeof all), 0x29058C73);
}
