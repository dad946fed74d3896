/* The console: serial port and screen together or alone, and the machine channel. */
#include "debugcon.h"
#include "io.h"
#include "kgpt/platform.h"
#include "screen.h"
#include "serial.h"

void plat_write(const char *text, size_t n)
{
    kg_serial_write(text, n);
    kg_screen_write(text, n);
}

/* Whoever looks for a key lets the screen catch up, as far as its turn has come. */
int plat_read(void)
{
    kg_screen_turn();
    return kg_serial_read();
}

void plat_relax(void)
{
    kg_screen_flush();
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
