#include "layer_list.h"

#include "kgpt/test.h"

/* The layers of a list as a number with a bit for each; 0xBAD if it is refused. */
static uint32_t layer_bits(const char *text, uint32_t n_layer)
{
    struct kg_layer_list list;
    return kg_layer_list_read(&list, text, n_layer) ? list.bits[0] : 0xBAD;
}

KG_TEST(layer_list, reads_numbers_and_ranges)
{
    KG_CHECK_EQ(t, layer_bits("0,3-5", 6), 0x39);
    KG_CHECK_EQ(t, layer_bits("5", 6), 0x20);
    KG_CHECK_EQ(t, layer_bits("2-2,0", 6), 0x5);
    KG_CHECK_EQ(t, layer_bits("", 6), 0x3F);
    KG_CHECK_EQ(t, layer_bits("all", 6), 0x3F);
    KG_CHECK_EQ(t, layer_bits("none", 6), 0);
}

KG_TEST(layer_list, refuses_what_is_no_list)
{
    static const char *const wrong[] = {"6", "0-6", "5-3", ",", "1,", "-1", "1-", "x", "0;1", "99999999999", " 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        KG_CHECK_EQ(t, layer_bits(wrong[i], 6), 0xBAD);
    }
}

KG_TEST(layer_list, writes_the_last_layer)
{
    struct kg_layer_list list;
    uint32_t layers[KG_LAYER_LIST_MOST];
    KG_CHECK(t, kg_layer_list_read(&list, "1023,0", KG_LAYER_LIST_MOST));
    KG_CHECK_EQ(t, kg_layer_list_write(&list, layers), 2);
    KG_CHECK_EQ(t, layers[1], 1023);
}
