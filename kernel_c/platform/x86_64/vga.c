#include "vga.h"

#include "io.h"

#define COLUMNS 80
#define ROWS 24 /* of text */
#define STATUS_ROW 24
#define TEXT_MEMORY 0xB8000
#define ATTRIBUTE 0x0700 /* light grey on black */
#define BLANK (ATTRIBUTE | ' ')

#define CRTC_INDEX 0x3D4
#define CRTC_DATA 0x3D5
#define CURSOR_HIGH 0x0E
#define CURSOR_LOW 0x0F

static volatile uint16_t *const screen = (volatile uint16_t *)TEXT_MEMORY;
static uint16_t shadow[(ROWS + 1) * COLUMNS]; /* scrolling never reads video memory */
static unsigned row, column;
static bool present;

enum escape { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_CSI };
static enum escape escape;

static void show_row(unsigned at)
{
    for (unsigned i = at * COLUMNS; i < (at + 1) * COLUMNS; i++)
        screen[i] = shadow[i];
}

static void blank_row(unsigned at)
{
    for (unsigned i = at * COLUMNS; i < (at + 1) * COLUMNS; i++)
        shadow[i] = BLANK;
}

static void show_cursor(void)
{
    unsigned position = row * COLUMNS + column;
    kg_outb(CRTC_INDEX, CURSOR_HIGH);
    kg_outb(CRTC_DATA, (uint8_t)(position >> 8));
    kg_outb(CRTC_INDEX, CURSOR_LOW);
    kg_outb(CRTC_DATA, (uint8_t)position);
}

static bool memory_answers(void)
{
    uint16_t before = screen[0];
    screen[0] = 0x5AA5;
    bool good = screen[0] == 0x5AA5;
    screen[0] = before;
    return good;
}

bool kg_vga_init(const struct kg_framebuffer *framebuffer)
{
    if (framebuffer->type == KG_FRAMEBUFFER_RGB || framebuffer->type == KG_FRAMEBUFFER_NONE)
        return false;
    if (!memory_answers())
        return false;
    for (unsigned i = 0; i <= STATUS_ROW; i++) {
        blank_row(i);
        show_row(i);
    }
    show_cursor();
    present = true;
    return true;
}

bool kg_vga_present(void)
{
    return present;
}

static void new_line(void)
{
    column = 0;
    if (++row < ROWS)
        return;
    row = ROWS - 1;
    for (unsigned i = 0; i < (ROWS - 1) * COLUMNS; i++)
        shadow[i] = shadow[i + COLUMNS];
    blank_row(ROWS - 1);
    for (unsigned i = 0; i < ROWS; i++)
        show_row(i);
}

/* The line editor speaks ANSI; of that, text mode needs "erase to the end of the line" (K) and cursor left and right. */
static void control_sequence(char byte)
{
    if (byte == 'K') {
        for (unsigned i = column; i < COLUMNS; i++)
            shadow[row * COLUMNS + i] = BLANK;
        show_row(row);
    }
    if (byte == 'D' && column > 0)
        column--;
    if (byte == 'C' && column + 1 < COLUMNS)
        column++;
}

static bool in_escape(char byte)
{
    if (escape == ESCAPE_NONE && byte == '\x1b') {
        escape = ESCAPE_SEEN;
        return true;
    }
    if (escape == ESCAPE_SEEN) {
        escape = byte == '[' ? ESCAPE_CSI : ESCAPE_NONE;
        return true;
    }
    if (escape == ESCAPE_CSI) {
        if (byte >= '@' && byte <= '~') {
            control_sequence(byte);
            escape = ESCAPE_NONE;
        }
        return true;
    }
    return false;
}

static void put(char byte)
{
    if (in_escape(byte))
        return;
    if (byte == '\n') {
        new_line();
    } else if (byte == '\r') {
        column = 0;
    } else if (byte == '\b') {
        if (column > 0)
            column--;
    } else if ((unsigned char)byte >= ' ') {
        if (column == COLUMNS)
            new_line();
        unsigned at = row * COLUMNS + column++;
        shadow[at] = (uint16_t)(ATTRIBUTE | (unsigned char)byte);
        screen[at] = shadow[at];
    }
}

void kg_vga_write(const char *text, size_t n)
{
    if (!present)
        return;
    for (size_t i = 0; i < n; i++)
        put(text[i]);
    show_cursor();
}

void kg_vga_status(const char *text, size_t n)
{
    for (unsigned i = 0; i < COLUMNS; i++)
        shadow[STATUS_ROW * COLUMNS + i] = (uint16_t)(0x7000 | (i < n ? (unsigned char)text[i] : ' '));
    if (present)
        show_row(STATUS_ROW);
}

void kg_vga_off(void)
{
    present = false;
}
