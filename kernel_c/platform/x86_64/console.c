/* The console: serial port and screen together or alone, and the machine channel. */
#include "debugcon.h"
#include "i8042.h"
#include "io.h"
#include "kgpt/platform.h"
#include "serial.h"
#include "vga.h"

void plat_write(const char *text, size_t n)
{
    kg_serial_write(text, n);
    kg_vga_write(text, n);
}

/* What can be typed on. The keyboard first: a line that never falls silent shall not keep Ctrl-C from being seen. */
static int (*const sources[])(void) = {kg_i8042_read, kg_serial_read};

int plat_read(void)
{
    int result = KG_READ_END;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int byte = sources[i]();
        if (byte >= 0)
            return byte;
        if (byte == KG_READ_NONE)
            result = KG_READ_NONE;
    }
    return result;
}

void plat_relax(void)
{
    kg_pause();
}

bool plat_has_events(void)
{
    return kg_debugcon_present();
}

void plat_event(const char *line, size_t n)
{
    kg_debugcon_write(line, n);
}

void plat_status(const char *text, size_t n)
{
    kg_vga_status(text, n);
}

bool plat_picture_open(struct kg_picture *picture, uint32_t percent, struct kg_arena *arena)
{
    (void)picture;
    (void)percent;
    (void)arena;
    return false;
}

void plat_picture_show(void)
{
}

void plat_picture_close(void)
{
}

void plat_screen_use(enum kg_screen_use use, uint32_t scale)
{
    (void)scale;
    if (use == KG_SCREEN_OFF)
        kg_vga_off();
}
