/* A flood of lines on the kernel's screen, without its hardware: for benchmarks/screen.py. */
#include "kgpt/pixels.h"
#include "kgpt/terminal.h"

#define TURNS_PER_SECOND 60

static struct kg_pixels pixels;
static struct kg_terminal terminal;

static void draw(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    kg_pixels_cells(&pixels, row, column, cells, n);
}

uint64_t driver_ticks(void);
uint64_t driver_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

struct result {
    uint64_t lines, drawings, drawing_ticks;
};

/* Prints `text` for `ticks` at `hz`, drawing as the kernel does: at most sixty times a second, and at most half of the
 * time. `cells` has room for the terminal at scale 1. */
struct result driver_flood(const struct kg_pixel_format *format, void *memory, uint32_t *cells, const char *text,
                           size_t n, uint64_t ticks, uint64_t hz);
struct result driver_flood(const struct kg_pixel_format *format, void *memory, uint32_t *cells, const char *text,
                           size_t n, uint64_t ticks, uint64_t hz)
{
    uint64_t start = driver_ticks(), now = start, drawn = start, took = 0, turn = hz / TURNS_PER_SECOND;
    struct result result = {0, 0, 0};
    kg_pixels_init(&pixels, format, memory);
    kg_terminal_init(&terminal, cells, (size_t)format->width * format->height / 64, kg_pixels_columns(&pixels),
                     kg_pixels_rows(&pixels));
    while (now - start < ticks) {
        size_t skipped = result.lines++ % 7; /* no two lines alike, so that all cells change */
        kg_terminal_write(&terminal, text + skipped, n - skipped);
        now = driver_ticks();
        if (now - drawn > (took > turn ? took : turn)) {
            kg_terminal_draw(&terminal, draw);
            drawn = driver_ticks();
            took = drawn - now;
            result.drawing_ticks += took;
            result.drawings++;
        }
    }
    return result;
}
