/* The boot menu in text: on serial ports, and where there are no pixels on the firmware's console, which firmware shows
 * on the screen, too. menu_picture.c draws it in pixels. */
#include "kgpt/utf8.h"
#include "screen.h"
#include "uefi/device_path.h"
#include "uefi/processor.h"

#define COLUMNS_MAX 120
#define ROWS_MAX 60
#define STALL_MS 2 /* the shortest of some counts: a virtual machine's processor may be taken away in between */
#define STALLS 8
/* Attributes as of VGA's text mode. */
#define INK_PLAIN 0x07
#define INK_TITLE 0x0F
#define INK_CHOSEN 0x30 /* black on cyan, as in GRUB's menu */
#define INK_DIM 0x03    /* cyan: firmware's dark grey is nearly black */
#define TYPE_MESSAGING 3
#define SUBTYPE_UART 14

void kg_stick_clock(struct kg_stick *stick)
{
    uint64_t best = kg_uefi_ticks_hz() / 1000;
    for (int i = 0; i < STALLS && kg_uefi_ticks_hz() == 0; i++) {
        uint64_t begin = kg_uefi_ticks();
        stick->u->system->boot->stall(UINT64_C(1000) * STALL_MS);
        uint64_t ticks = (kg_uefi_ticks() - begin) / STALL_MS;
        best = best && best < ticks ? best : ticks;
    }
    stick->ticks_per_ms = best ? best : 1;
}

/* Adds the consoles on serial ports. The firmware's console, which writes to all, would write over the picture. */
static void find_serial_ports(struct kg_stick *stick)
{
    static const struct kg_efi_guid guid = KG_EFI_TEXT_OUTPUT_GUID, path_guid = KG_EFI_DEVICE_PATH_GUID;
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    kg_efi_handle *handles = NULL;
    uint64_t n = 0;
    if (kg_efi_failed(services->locate_handles(KG_EFI_BY_PROTOCOL, &guid, NULL, &n, &handles))) {
        return;
    }
    for (uint64_t i = 0; i < n && stick->n_outputs < KG_STICK_OUTPUTS_MAX; i++) {
        const uint8_t *path = kg_uefi_protocol(stick->u, handles[i], &path_guid);
        if (kg_device_path_node(path, TYPE_MESSAGING, SUBTYPE_UART)) {
            stick->outputs[stick->n_outputs] = kg_uefi_protocol(stick->u, handles[i], &guid);
            stick->n_outputs += stick->outputs[stick->n_outputs] != NULL;
        }
    }
    services->free_pool(handles);
}

/* Makes the menu small enough for an output. */
static void fit_menu(struct kg_stick *stick, size_t columns, size_t rows)
{
    stick->columns = columns < stick->columns ? columns : stick->columns;
    stick->rows = rows < stick->rows ? rows : stick->rows;
}

void kg_stick_screen(struct kg_stick *stick)
{
    struct kg_efi_text_output *console = stick->u->system->console_out;
    stick->columns = COLUMNS_MAX;
    stick->rows = ROWS_MAX;
    stick->has_picture = kg_menu_picture_open(stick, &stick->picture);
    if (stick->has_picture) {
        if (console) {
            console->enable_cursor(console, false);
        }
        fit_menu(stick, stick->picture.columns, kg_menu_picture_rows(&stick->picture));
        find_serial_ports(stick);
    } else if (console) {
        stick->outputs[stick->n_outputs++] = console;
    }
    for (size_t i = 0; i < stick->n_outputs; i++) {
        struct kg_efi_text_output *out = stick->outputs[i];
        uint64_t columns = 80, rows = 25;
        if (!out->mode || kg_efi_failed(out->query_mode(out, (uint64_t)out->mode->mode, &columns, &rows))) {
            columns = 80;
            rows = 25;
        }
        fit_menu(stick, columns, rows);
    }
    stick->columns = stick->columns < KG_MENU_COLUMNS_MIN ? KG_MENU_COLUMNS_MIN : stick->columns;
    stick->rows = stick->rows < KG_MENU_ROWS_MIN ? KG_MENU_ROWS_MIN : stick->rows;
}

void kg_stick_clear(struct kg_stick *stick)
{
    __atomic_store_n(&stick->drawing, true, __ATOMIC_SEQ_CST);
    stick->cleared = true;
    for (size_t i = 0; i < stick->n_outputs; i++) {
        struct kg_efi_text_output *out = stick->outputs[i];
        out->enable_cursor(out, false);
        out->set_attribute(out, INK_PLAIN);
        out->clear(out);
    }
    if (stick->has_picture) {
        kg_menu_picture_clear(&stick->picture);
    }
    __atomic_store_n(&stick->drawing, false, __ATOMIC_SEQ_CST);
}

void kg_stick_title(struct kg_stick *stick)
{
    kg_stick_clear(stick);
    kg_stick_row(stick, KG_MENU_NAME_ROW, KG_MENU_TITLE, stick->name);
}

/* Writes the row as wide as the screen: one column less, so that the last row does not scroll. */
static void write_text_row(struct kg_stick *stick, struct kg_efi_text_output *out, size_t row, enum kg_menu_look look,
                           const char *text)
{
    static const uint8_t inks[] = {INK_PLAIN, INK_TITLE, INK_CHOSEN, INK_DIM, INK_TITLE};
    uint16_t line[COLUMNS_MAX + 1];
    size_t n = kg_strlen(text), column = 0, length;
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

void kg_stick_row(struct kg_stick *stick, size_t row, enum kg_menu_look look, const char *text)
{
    __atomic_store_n(&stick->drawing, true, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < stick->n_outputs; i++) {
        write_text_row(stick, stick->outputs[i], row, look, text);
    }
    if (stick->has_picture) {
        kg_menu_picture_row(&stick->picture, row, stick->rows, look, text);
    }
    __atomic_store_n(&stick->drawing, false, __ATOMIC_SEQ_CST);
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
                                    [KG_EFI_KEY_ESCAPE] = KG_STICK_ESCAPE};
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
