/* The console: serial port and screen together or alone, and the machine channel. */
#include "debugcon.h"
#include "i8042.h"
#include "idle.h"
#include "io.h"
#include "kgpt/platform.h"
#include "power.h"
#include "screen.h"
#include "serial.h"

void plat_write(const char *text, size_t n)
{
    kg_serial_write(text, n);
    kg_screen_write(text, n);
}

/* While a paste comes in, its next byte is a tenth of a millisecond away. */
#define PATIENCE_PER_SECOND 500

static uint64_t last_typed;

/* What can be typed on. The keyboard first: a line that never falls silent shall not keep Ctrl-C from being seen. */
static int (*const sources[])(void) = {kg_i8042_read, kg_serial_read};

/* Whoever looks for a key lets the screen catch up, as far as its turn has come. */
int plat_read(void)
{
    static uint32_t looked;
    kg_screen_turn();
    kg_idle_listen();
    if (looked != kg_timer_ticks) {
        looked = kg_timer_ticks;
        if (kg_power_pressed())
            return KG_READ_OFF;
    }
    int result = KG_READ_END;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int byte = sources[i]();
        if (byte >= 0) {
            last_typed = plat_ticks();
            return byte;
        }
        if (byte == KG_READ_RESTART)
            return byte;
        if (byte == KG_READ_NONE)
            result = KG_READ_NONE;
    }
    return result;
}

void plat_relax(void)
{
    kg_screen_flush();
    if (plat_ticks() - last_typed < plat_ticks_hz() / PATIENCE_PER_SECOND)
        kg_pause();
    else
        kg_idle();
}

bool plat_has_events(void)
{
    return kg_debugcon_present();
}

void plat_event(const char *line, size_t n)
{
    kg_debugcon_write(line, n);
}
