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
