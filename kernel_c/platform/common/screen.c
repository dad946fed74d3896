/* One terminal, two back ends, and the rate limit of drawing: see screen.h. */
#include "screen.h"

#include "kgpt/font.h"
#include "kgpt/format.h"
#include "kgpt/platform.h"
#include "kgpt/terminal.h"
#include "memory.h"
#include "processor.h"

#define EARLY_COLUMNS 78 /* of a screen of 640 pixels; a panic takes ten rows */
#define EARLY_ROWS 12

#define ROWS_KEPT 1024 /* of scrollback */
#define MEMORY_PART 32 /* upper limit of the scrollback: this fraction of all memory */

#define TURN_US 16667u /* minimum time between two drawings */
#define BURST 4        /* drawings without delay: single lines appear at once */

#define BLACK 0
#define RED 1
#define WHITE 15

static enum { NO_SCREEN, TEXT_SCREEN, PIXEL_SCREEN } kind;
static const struct kg_text_mode *text_mode;
static struct kg_framebuffer framebuffer;
static struct kg_pixels pixels;
static struct kg_picture picture; /* .pixels is NULL: none */
static struct kg_terminal terminal;
static uint32_t early[2 * EARLY_COLUMNS * EARLY_ROWS];
static uint32_t *memory = early; /* memory of the terminal */
static size_t memory_size = sizeof early / sizeof *early;
static bool changed, panicking;
static uint64_t drawn_at, drawing_took; /* ticks */
static uint32_t burst = BURST;

static uint64_t framebuffer_size(void)
{
    return (uint64_t)framebuffer.format.pitch * framebuffer.format.height;
}

static bool has_pixels(void)
{
    return framebuffer.type == KG_FRAMEBUFFER_RGB && framebuffer.base + framebuffer_size() > framebuffer.base &&
           kg_pixels_init(&pixels, &framebuffer.format, (void *)framebuffer.base);
}

void kg_screen_init(const struct kg_framebuffer *found, const struct kg_text_mode *text)
{
    text_mode = text;
    framebuffer = *found;
    kg_terminal_init(&terminal, early, memory_size, EARLY_COLUMNS, EARLY_ROWS);
    if (has_pixels()) {
        bool fits = kg_pixels_columns(&pixels) >= EARLY_COLUMNS && kg_pixels_rows(&pixels) >= EARLY_ROWS;
        if (fits && framebuffer.base + framebuffer_size() <= kg_processor_reach()) {
            kind = PIXEL_SCREEN;
        }
    } else if ((found->type == KG_FRAMEBUFFER_UNKNOWN || found->type == KG_FRAMEBUFFER_TEXT) && text->init()) {
        kind = TEXT_SCREEN;
    }
}

/* Clears the screen, with text at the scale of `pixels`. */
static void begin_screen(void)
{
    uint32_t columns = text_mode->columns, rows = text_mode->rows;
    if (kind == PIXEL_SCREEN) {
        columns = kg_pixels_columns(&pixels);
        rows = kg_pixels_rows(&pixels);
        kg_pixels_clear(&pixels);
    }
    picture.pixels = NULL;
    kg_terminal_init(&terminal, memory, memory_size, columns, rows);
    changed = true;
    kg_screen_flush();
}

/* Memory for this many cells. */
static bool take_cells(size_t cells)
{
    uint32_t *pages = kg_memory_pages((cells * sizeof *memory + KG_PAGE - 1) / KG_PAGE);
    if (pages) {
        memory = pages;
        memory_size = cells;
    }
    return pages != NULL;
}

void kg_screen_start(void)
{
    uint32_t columns = text_mode->columns, rows = text_mode->rows;
    if (has_pixels()) {
        columns = pixels.format.width / KG_FONT_WIDTH;
        rows = pixels.format.height / KG_FONT_HEIGHT;
        bool mapped = framebuffer.is_memory || kg_map_device(framebuffer.base, framebuffer_size(), true);
        kind = mapped ? PIXEL_SCREEN : NO_SCREEN;
    }
    if (kind == NO_SCREEN) {
        return;
    }
    size_t least = (size_t)2 * columns * rows, kept = (size_t)columns * ROWS_KEPT;
    bool afford = kept * sizeof *memory <= kg_memory_total() / MEMORY_PART;
    if (take_cells(afford ? least + kept : least)) {
        begin_screen();
    } else {
        kind = NO_SCREEN;
    }
}

const struct kg_text_mode *kg_screen_text_mode(void)
{
    return text_mode;
}

uint32_t kg_screen_columns(void)
{
    return kind == NO_SCREEN ? 0 : terminal.columns;
}

const char *kg_screen_mode(void)
{
    static char mode[32];
    const struct kg_pixel_format *f = &pixels.format;
    if (kind == PIXEL_SCREEN) {
        kg_format(mode, sizeof mode, "%ux%ux%u", f->width, f->height, f->bpp);
    }
    return kind == PIXEL_SCREEN ? mode : kind == TEXT_SCREEN ? text_mode->name : "";
}

/* --- drawing --- */

static void draw_cells(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    if (kind == PIXEL_SCREEN) {
        kg_pixels_cells(&pixels, row, column, cells, n);
    } else {
        text_mode->draw(row, column, cells, n);
    }
}

void kg_screen_flush(void)
{
    if (!changed || kind == NO_SCREEN) {
        return;
    }
    changed = false;
    uint64_t start = plat_ticks();
    kg_terminal_draw(&terminal, draw_cells);
    kg_processor_drain();
    drawn_at = plat_ticks();
    drawing_took = drawn_at - start;
}

/* After a slow drawing the next one waits as long as it took, so that drawing takes at most half of the time. */
void kg_screen_turn(void)
{
    if (!changed || panicking) {
        return;
    }
    uint64_t turn = kg_processor_ticks(TURN_US);
    uint64_t turns = (plat_ticks() - drawn_at) / (drawing_took > turn ? drawing_took : turn);
    burst = turns >= BURST - burst ? BURST : burst + (uint32_t)turns;
    if (burst) {
        burst--;
        kg_screen_flush();
    }
}

void kg_screen_write(const char *text, size_t n)
{
    if (kind == NO_SCREEN) {
        return;
    }
    kg_terminal_write(&terminal, text, n);
    changed = true;
    kg_screen_turn();
}

void plat_status(const char *text, size_t n)
{
    if (kind == NO_SCREEN) {
        return;
    }
    kg_terminal_status(&terminal, text, n);
    changed = true;
    kg_screen_turn();
}

void kg_screen_page(int pages)
{
    if (pages == 0 && terminal.back == 0) {
        return;
    }
    kg_terminal_page(&terminal, pages);
    changed = true;
    kg_screen_flush();
}

bool kg_screen_is_back(void)
{
    return terminal.back > 0;
}

/* --- pictures --- */

static void place_text(uint32_t top)
{
    kg_terminal_place(&terminal, top);
    changed = true;
}

bool plat_picture_open(struct kg_picture *opened, uint32_t percent, struct kg_arena *arena)
{
    uint32_t rows = terminal.rows * percent / 100, size = KG_FONT_HEIGHT * pixels.scale;
    if (kind != PIXEL_SCREEN || rows < 1 || rows + 2 > terminal.rows) {
        return false;
    }
    picture.width = terminal.columns * KG_FONT_WIDTH * pixels.scale;
    picture.height = rows * size;
    picture.stride = picture.width;
    picture.pixels = kg_arena_take(arena, (size_t)picture.width * picture.height * sizeof *picture.pixels);
    if (!picture.pixels) {
        return false;
    }
    *opened = picture;
    place_text(rows);
    kg_screen_flush();
    plat_picture_show();
    return true;
}

void plat_picture_show(void)
{
    if (kind != PIXEL_SCREEN || !picture.pixels) {
        return;
    }
    kg_pixels_picture(&pixels, picture.pixels, picture.stride, picture.width, picture.height);
    kg_processor_drain();
}

void plat_picture_close(void)
{
    if (!picture.pixels) {
        return;
    }
    picture.pixels = NULL;
    place_text(0);
    kg_screen_flush();
}

/* --- settings, and the end --- */

void plat_screen_use(enum kg_screen_use use, uint32_t scale)
{
    uint32_t before = pixels.scale;
    if (use == KG_SCREEN_OFF) { /* without a cursor */
        kg_terminal_colour(&terminal, BLACK, BLACK);
        kg_screen_write("\x1b[2J", 4);
        kg_screen_flush();
        kg_screen_off();
    }
    if (kind != PIXEL_SCREEN) {
        return;
    }
    if (use == KG_SCREEN_SAFE) {
        if (!framebuffer.is_memory) {
            kg_map_device(framebuffer.base, framebuffer_size(), false);
        }
        scale = scale ? scale : 1;
    }
    kg_pixels_scale(&pixels, scale);
    if (pixels.scale != before) {
        begin_screen();
    }
}

void kg_screen_panic(void)
{
    panicking = true;
    place_text(0);
    kg_terminal_colour(&terminal, WHITE, RED);
}

void kg_screen_off(void)
{
    kind = NO_SCREEN;
}
