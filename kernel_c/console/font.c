/* Lookup in the font tables, which kgpt_build/headers/font.py generates. */
#include "kgpt/font.h"

#include "kgpt_font.h"

#define N_RANGES (sizeof kg_font_ranges / sizeof *kg_font_ranges)
#define N_GLYPHS (sizeof kg_font_glyphs / sizeof *kg_font_glyphs)
#define N_ALIKE (sizeof kg_font_alike / sizeof *kg_font_alike)

uint32_t kg_font_index(uint32_t code)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < N_ALIKE; i++) {
        code = code == kg_font_alike[i][0] ? kg_font_alike[i][1] : code;
    }
    for (uint32_t i = 0; i < N_RANGES; i++) {
        uint32_t first = kg_font_ranges[i][0], last = kg_font_ranges[i][1];
        if (code >= first && code <= last) {
            return before + code - first;
        }
        before += last - first + 1;
    }
    return N_GLYPHS - 1; /* the last glyph is U+FFFD */
}

const uint8_t *kg_font_glyph(uint32_t index)
{
    return kg_font_glyphs[index];
}

uint8_t kg_font_vga(uint32_t index)
{
    return kg_font_vga_bytes[index];
}
