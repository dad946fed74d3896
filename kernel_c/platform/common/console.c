/* The console (serial port, screen, or both) and the machine channel. */
#include "kgpt/device.h"
#include "kgpt/keyboard.h"
#include "kgpt/platform.h"
#include "kgpt/writer.h"
#include "machine.h"
#include "processor.h"
#include "screen.h"

static struct kg_writer serial_writer = {.write = kg_serial_write};
static struct kg_writer screen_writer = {.write = kg_screen_write, .coloured = true, .is_screen = true};

void plat_output(enum kg_output output, uint32_t columns)
{
    serial_writer.raw = output == KG_OUTPUT_RAW;
    serial_writer.coloured = output == KG_OUTPUT_COLOR;
    serial_writer.columns = columns;
}

void plat_write(const char *text, size_t n)
{
    kg_writer_plain(&serial_writer, text, n);
    kg_writer_plain(&screen_writer, text, n);
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    screen_writer.columns = kg_screen_columns();
    kg_writer_text(&serial_writer, voice, text, n);
    kg_writer_text(&screen_writer, voice, text, n);
}

void plat_screen_text(const char *text, size_t n)
{
    kg_writer_plain(&screen_writer, text, n);
}

void plat_notice(const char *text, size_t n)
{
    kg_writer_notice(&serial_writer, text, n);
    kg_writer_notice(&screen_writer, text, n);
}

/* During a paste, bytes arrive 0.1 ms apart. */
#define PATIENCE_PER_SECOND 500

static uint64_t last_typed;

#define DEVICES_AFTER_US 33333u /* after the first instruction: shorter runs look for no devices */

bool plat_awaits_keyboard(void)
{
    return kg_unit_find(KG_UNIT_INPUT, 0);
}

/* Keyboards on a bus. The search for devices does not delay the first words of a run. */
static int read_input_units(void)
{
    int result = KG_READ_END;
    if (plat_ticks() - kg_ticks_entry < kg_processor_ticks(DEVICES_AFTER_US)) {
        return KG_READ_NONE;
    }
    struct kg_unit *unit;
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_INPUT, i)); i++) {
        int byte = unit->input.read(unit);
        if (byte >= 0 || byte < KG_READ_END) {
            return byte;
        }
        result = byte == KG_READ_NONE ? byte : result;
    }
    return result;
}

/* The machine's own keyboard, then all others. */
static int read_any_keyboard(void)
{
    int first = kg_keyboard_read();
    if (first >= 0 || first < KG_READ_END) {
        return first;
    }
    int other = read_input_units();
    return other == KG_READ_END ? first : other;
}

#define ESCAPE 0x1B

/* Bytes of a key that were read already, the last one first. */
static int ahead[2];
static uint32_t n_ahead;

static int read_key_byte(void)
{
    return n_ahead ? ahead[--n_ahead] : read_any_keyboard();
}

/* While the view is scrolled back, Home (ESC [ H) leads to the oldest text. The bytes of another key are kept. */
static bool takes_home(void)
{
    int second = read_any_keyboard(), third = second == '[' ? read_any_keyboard() : KG_READ_NONE;
    if (third == 'H') {
        return true;
    }
    ahead[n_ahead++] = third;
    ahead[n_ahead++] = second;
    return false;
}

/* The screen handles Page Up and Page Down, and Home while the view is scrolled back. Any other key, such as End,
 * leads back to the newest text (plat_read). */
static int read_keyboard(void)
{
    for (;;) {
        int byte = read_key_byte();
        if (byte == ESCAPE && !n_ahead && kg_screen_is_back() && takes_home()) {
            kg_screen_page(KG_PAGES_ALL);
            continue;
        }
        if (byte != KG_KEY_PAGE_UP && byte != KG_KEY_PAGE_DOWN) {
            return byte;
        }
        kg_screen_page(byte == KG_KEY_PAGE_UP ? 1 : -1);
    }
}

/* Reads the keyboard first: continuous input from a serial line must not hide Ctrl-C. */
static int (*const sources[])(void) = {read_keyboard, kg_serial_read};

/* Polling for input also redraws the screen (rate-limited). */
int plat_read(void)
{
    static uint32_t looked;
    kg_screen_turn();
    kg_idle_listen();
    if (looked != kg_timer_ticks) {
        looked = kg_timer_ticks;
        if (kg_power_pressed()) {
            return KG_READ_OFF;
        }
    }
    int result = KG_READ_END;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int byte = sources[i]();
        if (byte >= 0) {
            last_typed = plat_ticks();
            kg_screen_page(0);
            return byte;
        }
        if (byte == KG_READ_RESTART) {
            return byte;
        }
        if (byte == KG_READ_NONE) {
            result = KG_READ_NONE;
        }
    }
    return result;
}

void plat_relax(void)
{
    plat_poll();
    kg_screen_flush();
    if (plat_ticks() - last_typed < plat_ticks_hz() / PATIENCE_PER_SECOND) {
        kg_processor_pause();
    } else {
        kg_idle();
    }
}

void plat_ask_terminal(bool answer)
{
    if (!serial_writer.raw) {
        kg_serial_ask(answer);
    }
}

bool plat_has_events(void)
{
    return kg_channel_present();
}

static bool event_line_open; /* the last byte was no line feed */

void plat_event(const char *bytes, size_t n)
{
    event_line_open = n && bytes[n - 1] != '\n';
    kg_channel_write(bytes, n);
}

void plat_event_break(void)
{
    if (event_line_open) {
        plat_event("\n", 1);
    }
}
