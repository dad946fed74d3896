/* The boot menu on the firmware's text console, which firmware shows on the screen and on serial ports. */
#include "stick.h"

#include "kgpt/utf8.h"

#define COLUMNS_MAX 120
#define ROWS_MAX 60
/* Attributes as of VGA's text mode. */
#define INK_PLAIN 0x07
#define INK_TITLE 0x0F
#define INK_CHOSEN 0x30 /* black on cyan, as in GRUB's menu */
#define INK_DIM 0x03    /* cyan: firmware's dark grey is nearly black */

uint64_t kg_stick_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

void kg_stick_console(struct kg_stick *stick)
{
    struct kg_efi_text_output *out = stick->u->system->console_out;
    uint64_t columns = 80, rows = 25, begin = kg_stick_ticks();
    if (out && out->mode && kg_efi_failed(out->query_mode(out, (uint64_t)out->mode->mode, &columns, &rows))) {
        columns = 80;
        rows = 25;
    }
    stick->columns = columns < 40 ? 40 : columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    stick->rows = rows < 10 ? 10 : rows > ROWS_MAX ? ROWS_MAX : rows;
    stick->u->system->boot->stall(10000);
    stick->ticks_per_ms = (kg_stick_ticks() - begin) / 10 + 1;
}

void kg_stick_clear(struct kg_stick *stick)
{
    struct kg_efi_text_output *out = stick->u->system->console_out;
    if (out) {
        out->enable_cursor(out, false);
        out->set_attribute(out, INK_PLAIN);
        out->clear(out);
    }
}

/* Writes the row as wide as the screen: one column less, so that the last row does not scroll. */
void kg_stick_row(struct kg_stick *stick, size_t row, enum kg_menu_look look, const char *text)
{
    static const uint8_t inks[] = {INK_PLAIN, INK_TITLE, INK_CHOSEN, INK_DIM};
    struct kg_efi_text_output *out = stick->u->system->console_out;
    uint16_t line[COLUMNS_MAX + 1];
    size_t n = kg_strlen(text), column = 0, length;
    if (!out) {
        return;
    }
    for (size_t at = 0; at < n && column < stick->columns - 1; at += length ? length : 1) {
        length = kg_utf8_length(text + at, n - at);
        uint32_t code = length ? kg_utf8_code(text + at, length) : '?';
        line[column++] = (uint16_t)(code > 0xFFFF || code < 0x20 ? '?' : code);
    }
    while (column < stick->columns - 1) {
        line[column++] = ' ';
    }
    line[column] = 0;
    out->set_cursor(out, 0, row);
    out->set_attribute(out, inks[look]);
    out->write(out, line);
}

uint32_t kg_stick_key(struct kg_stick *stick)
{
    static const uint32_t keys[] = {[KG_EFI_KEY_UP] = KG_MENU_UP,
                                    [KG_EFI_KEY_DOWN] = KG_MENU_DOWN,
                                    [KG_EFI_KEY_RIGHT] = KG_MENU_RIGHT,
                                    [KG_EFI_KEY_LEFT] = KG_MENU_LEFT,
                                    [KG_EFI_KEY_HOME] = KG_MENU_HOME,
                                    [KG_EFI_KEY_END] = KG_MENU_END,
                                    [8] = KG_MENU_DELETE,
                                    [KG_EFI_KEY_PAGE_UP] = KG_MENU_PAGE_UP,
                                    [KG_EFI_KEY_PAGE_DOWN] = KG_MENU_PAGE_DOWN,
                                    [20] = KG_MENU_START,
                                    [KG_EFI_KEY_ESCAPE] = 27};
    struct kg_efi_text_input *in = stick->u->system->console_in;
    struct kg_efi_key key;
    if (!in || kg_efi_failed(in->read_key(in, &key))) {
        return 0;
    }
    if (key.scan_code == 0) {
        return key.character;
    }
    uint32_t found = key.scan_code < sizeof keys / sizeof keys[0] ? keys[key.scan_code] : 0;
    return found ? found : 0xFFFF; /* a key that only stops the clock */
}
