#include "vga.h"

#include "kgpt/font.h"
#include "kgpt/palette.h"
#include "kgpt/terminal.h"
#include "platform/common/machine.h"
#include "platform/x86_64/io.h"

const char kg_screen_advice[] = "in GRUB: insmod all_video, multiboot2; or start by BIOS (CSM)";

#define VGA_MEMORY 0xB8000
#define VGA_COLUMNS 80
#define VGA_ROWS 25

#define CRTC_INDEX 0x3D4
#define CRTC_DATA 0x3D5
#define DAC_INDEX 0x3C8
#define DAC_DATA 0x3C9
#define CURSOR_START 0x0A
#define CURSOR_OFF 0x20
#define CURSOR_LOW 0x0F /* a readable and writable register */

static volatile uint16_t *const screen = (volatile uint16_t *)VGA_MEMORY;

static bool register_answers(void)
{
    kg_outb(CRTC_INDEX, CURSOR_LOW);
    uint8_t before = kg_inb(CRTC_DATA);
    kg_outb(CRTC_DATA, 0x5A);
    bool good = kg_inb(CRTC_DATA) == 0x5A;
    kg_outb(CRTC_DATA, before);
    return good;
}

static bool memory_answers(void)
{
    uint16_t before = screen[0];
    screen[0] = 0x5AA5;
    bool good = screen[0] == 0x5AA5;
    screen[0] = before;
    return good;
}

/* ANSI and VGA order red and blue differently (red is 1 in ANSI, 4 in VGA). */
static uint32_t vga_colour(uint32_t colour)
{
    return (colour & 10) | (colour & 1) << 2 | (colour & 4) >> 2;
}

/* Writes our palette to the DAC, six bits a colour. BIOS sets the attribute controller up so that the attributes 0 to 7
 * take the entries 0 to 5, 20 and 7 of the DAC, and 8 to 15 the entries 56 to 63. */
static void load_palette(void)
{
    static const uint32_t rgb[KG_N_COLOURS] = {KG_PALETTE};
    for (uint32_t i = 0; i < KG_N_COLOURS; i++) {
        uint32_t colour = vga_colour(i);
        kg_outb(DAC_INDEX, (uint8_t)(colour == 6 ? 20 : colour < 8 ? colour : 48 + colour));
        for (int shift = 18; shift > 0; shift -= 8) {
            kg_outb(DAC_DATA, rgb[i] >> shift & 0x3F);
        }
    }
}

/* Without a card, RAM may be at this address, but no registers. */
static bool start_vga(void)
{
    bool good = register_answers() && memory_answers();
    if (good) { /* the cursor is drawn as a cell */
        kg_outb(CRTC_INDEX, CURSOR_START);
        kg_outb(CRTC_DATA, CURSOR_OFF);
        load_palette();
    }
    return good;
}

/* The brightest background bit means blinking, so backgrounds are dark. */
static void draw_vga(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    volatile uint16_t *to = screen + row * VGA_COLUMNS + column;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ink = vga_colour(KG_CELL_INK(cells[i])), paper = vga_colour(KG_CELL_PAPER(cells[i])) & 7;
        to[i] = (uint16_t)(paper << 12 | ink << 8 | kg_font_vga(kg_font_index(cells[i] & KG_CELL_CODE)));
    }
}

const struct kg_text_mode kg_vga = {
    .name = "text 80x25",
    .memory = VGA_MEMORY,
    .columns = VGA_COLUMNS,
    .rows = VGA_ROWS,
    .init = start_vga,
    .draw = draw_vga,
};
