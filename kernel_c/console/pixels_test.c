#include "kgpt/pixels.h"

#include "kgpt/font.h"
#include "kgpt/mem.h"
#include "kgpt/palette.h"
#include "kgpt/terminal.h"
#include "kgpt/test.h"

static const uint32_t palette[KG_N_COLOURS] = {KG_PALETTE};

/* A red A on white in 24 bits at scale 2, with a pitch larger than the width. */
KG_TEST(pixels, scaled_cell_in_three_bytes)
{
    const struct kg_pixel_format format = {1200, 384, 180, 24, 0, 8, 8, 8, 16, 8};
    const uint32_t cell = 'A' | KG_CELL_COLOURS(1, 15);
    struct kg_pixels p;
    uint8_t *memory = kg_arena_take(t->arena, (size_t)format.pitch * format.height);
    KG_CHECK(t, memory != NULL && kg_pixels_init(&p, &format, memory));
    kg_pixels_scale(&p, 2);
    KG_CHECK_EQ(t, kg_pixels_columns(&p) * 100 + kg_pixels_rows(&p), 2204);
    kg_pixels_cells(&p, 1, 3, &cell, 1);
    const uint8_t *glyph = kg_font_glyph(kg_font_index('A'));
    for (uint32_t y = 0; y < 32; y++) {
        for (uint32_t x = 0; x < 16; x++) {
            const uint8_t *pixel = memory + (26 + 32 + y) * 1200 + (16 + 48 + x) * 3;
            bool ink = glyph[y / 2] >> (7 - x / 2) & 1;
            KG_CHECK_EQ(t, pixel[0] << 16 | pixel[1] << 8 | pixel[2], ink ? palette[1] : 0xFFFFFF);
        }
    }
}

KG_TEST(pixels, glyphs_of_other_alphabets)
{
    uint32_t none = kg_font_index(KG_REPLACEMENT);
    KG_CHECK_EQ(t, kg_font_index(0x4F60), none);
    KG_CHECK_EQ(t, kg_font_index(0x203A), kg_font_index('>'));
#ifdef KG_FONT_FULL
    static const uint16_t codes[] = {0x17E, 0x3A9, 0x42F, 0x2014, 0x20AC, 0x2192, 0x2264, 0x25CF};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        KG_CHECK(t, kg_font_index(codes[i]) < none);
    }
    KG_CHECK_EQ(t, kg_font_index(0x3AC), kg_font_index(0x3B1));
#endif
}

KG_TEST(pixels, formats)
{
    struct kg_pixels p;
    const struct kg_pixel_format rgb565 = {2560, 1280, 1024, 16, 11, 5, 5, 6, 0, 5};
    KG_CHECK(t, kg_pixels_init(&p, &rgb565, NULL));
    KG_CHECK_EQ(t, p.colours[11],
                palette[11] >> 19 << 11 | (palette[11] >> 10 & 0x3F) << 5 | (palette[11] >> 3 & 0x1F));
    struct kg_pixel_format bad = rgb565;
    bad.bpp = 8;
    KG_CHECK(t, !kg_pixels_init(&p, &bad, NULL));
    bad = rgb565;
    bad.pitch = 2559;
    KG_CHECK(t, !kg_pixels_init(&p, &bad, NULL));
}
