/* The boot menu of the medium: see stick.h. */
#include "uefi/boot_menu.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "program.h"
#include "uefi/files/files.h"
#include "uefi/processor.h"
#include "uefi/screen/screen.h"

#define MENU_FILE "/kgpt/menu.cfg"
#define MODELS "/models"
#define WAIT_US 20000
#define NAME "kgpt " KGPT_VERSION
#define ALONE_S 10 /* an error is shown where nobody has to see it: the kernel may not need a menu */

static struct kg_text menu_text_of(const char *text)
{
    return (struct kg_text){text, kg_strlen(text)};
}

/* Reads the menu file. Returns false if there is none. `unread`: there may be none, but nobody says so. */
static bool read_menu(struct kg_stick *stick, bool *unread)
{
    struct kg_text text;
    kg_menu_begin(&stick->menu);
    *unread = kg_stick_text(stick, menu_text_of(MENU_FILE), &text) != KG_OK;
    if (*unread) {
        return true;
    }
    stick->error.message[0] = '\0';
    if (text.data) {
        kg_menu_parse(&stick->menu, MENU_FILE, text.data, text.n, &stick->error);
    }
    return text.data;
}

/* Appends the entries of models that kgpt image add copied to the medium. */
static void read_added_menus(struct kg_stick *stick)
{
    char path[KG_STICK_PATH_MAX];
    struct kg_text text;
    struct kg_efi_file *folder = stick->root ? kg_stick_open(stick, menu_text_of(MODELS)) : NULL;
    while (folder && kg_stick_next_menu(stick, folder, path)) {
        if (kg_stick_text(stick, menu_text_of(path), &text) == KG_OK && text.data) {
            kg_menu_parse(&stick->menu, path, text.data, text.n, &stick->error);
        }
    }
    if (folder) {
        folder->close(folder);
    }
}

static void draw_menu(struct kg_stick *stick)
{
    char text[KG_MENU_ROW_BYTES];
    for (size_t row = 0; row < stick->rows; row++) {
        enum kg_menu_look look = kg_menu_row(&stick->view, row, text);
        kg_stick_row(stick, row, look, text);
    }
}

/* Until an entry is to be started. */
static void run_menu(struct kg_stick *stick)
{
    enum kg_menu_want want = kg_menu_pass(&stick->view, 0);
    uint64_t last = kg_uefi_ticks();
    if (want != KG_MENU_BOOT) {
        kg_stick_clear(stick);
        want = KG_MENU_DRAW;
    }
    while (want != KG_MENU_BOOT) {
        if (want == KG_MENU_DRAW) {
            draw_menu(stick);
        }
        uint32_t key = kg_stick_key(stick);
        if (key) {
            want = kg_menu_press(&stick->view, key);
            continue;
        }
        stick->u->system->boot->stall(WAIT_US);
        uint64_t passed = (kg_uefi_ticks() - last) / stick->ticks_per_ms;
        last += passed * stick->ticks_per_ms;
        want = kg_menu_pass(&stick->view, (int)(passed < 60000 ? passed : 60000));
    }
}

/* The bytes of the text that fill a row, without a word's beginning. */
static size_t words_that_fit(const char *text, size_t width)
{
    size_t n = kg_strlen(text), end = width;
    if (n <= width) {
        return n;
    }
    while (end && text[end] != ' ') {
        end--;
    }
    return end ? end : width;
}

/* Until a key is pressed, or (`seconds` is not 0) for so long. */
static void wait_for_key(struct kg_stick *stick, uint64_t seconds)
{
    char text[KG_MENU_ROW_BYTES];
    uint64_t begin = kg_uefi_ticks(), shown = UINT64_MAX, passed = 0;
    while (!kg_stick_key(stick) && (!seconds || passed < seconds)) {
        if (passed != shown && seconds) {
            kg_format(text, sizeof text, "  Starts without a menu in %llu s. Any key: now.",
                      (unsigned long long)(seconds - passed));
            kg_stick_row(stick, stick->rows - KG_MENU_LAST_ROW, KG_MENU_DIM, text);
            shown = passed;
        }
        stick->u->system->boot->stall(WAIT_US);
        passed = (kg_uefi_ticks() - begin) / stick->ticks_per_ms / 1000;
    }
}

static void show_error(struct kg_stick *stick, uint64_t seconds)
{
    char text[KG_MENU_ROW_BYTES];
    size_t width = stick->columns - 4, row = KG_MENU_HEAD;
    kg_stick_clear(stick);
    kg_stick_row(stick, KG_MENU_NAME_ROW, KG_MENU_TITLE, "  kgpt: NOT STARTED");
    for (const char *rest = stick->error.message; *rest && row < KG_MENU_HEAD + 4; row++) {
        size_t n = words_that_fit(rest, width);
        kg_format(text, sizeof text, "  %.*s", (int)n, rest);
        kg_stick_row(stick, row, KG_MENU_PLAIN, text);
        rest += n + (rest[n] == ' ');
    }
    kg_format(text, sizeof text, "  %.*s", (int)width, stick->error.hint);
    kg_stick_row(stick, 8, KG_MENU_PLAIN, text);
    kg_stick_row(stick, stick->rows - KG_MENU_LAST_ROW, KG_MENU_DIM,
                 stick->menu.n_entries ? "  Any key goes back to the menu." : "  Any key starts without a menu.");
    wait_for_key(stick, seconds);
}

static void drop_modules(struct kg_stick *stick)
{
    struct kg_boot *boot = &stick->u->handover->boot;
    for (size_t i = 0; i < boot->n_modules; i++) {
        kg_stick_give_back(stick, boot->modules[i].base, boot->modules[i].size);
    }
    boot->n_modules = boot->names_n = 0;
    boot->excess = NULL;
}

static bool names_word(const char *words, const char *word)
{
    size_t n = kg_strlen(word);
    for (const char *at = words; *at; at++) {
        if ((at == words || at[-1] == ' ') && kg_str_starts(at, word) && (at[n] == ' ' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

static enum kg_status load_entry(struct kg_stick *stick, const struct kg_menu_entry *entry, const char *words)
{
    struct kg_boot *boot = &stick->u->handover->boot;
    boot->excess = NULL;
    if (entry->n_modules) {
        kg_stick_title(stick);
    }
    for (size_t i = 0; i < entry->n_modules; i++) {
        enum kg_status status =
            kg_stick_module(stick, &stick->menu.modules[entry->first_module + i], i + 1, entry->n_modules);
        if (status != KG_OK) {
            drop_modules(stick);
            return status;
        }
    }
    kg_boot_set_cmdline(boot, words);
    kg_stick_picture(stick->u, names_word(words, "screen=safe"));
    return KG_OK;
}

static void choose_and_load(struct kg_stick *stick)
{
    for (;;) {
        run_menu(stick);
        const struct kg_menu_entry *entry = &stick->menu.entries[stick->view.chosen];
        enum kg_status status =
            entry->kernel.n ? kg_stick_start_program(stick, entry) : load_entry(stick, entry, stick->view.words);
        if (status == KG_OK) {
            return;
        }
        show_error(stick, 0);
        kg_menu_wait(&stick->view);
    }
}

void kg_uefi_boot_menu(struct kg_uefi *u)
{
    struct kg_stick *stick = (struct kg_stick *)kg_uefi_pages(u, sizeof *stick, UINT64_MAX);
    uint8_t *chunk = (uint8_t *)kg_uefi_pages(u, KG_STICK_CHUNK, KG_UEFI_FOUR_GIB - 1);
    if (!stick || !chunk) {
        return;
    }
    memset(stick, 0, sizeof *stick);
    stick->u = u;
    stick->name = "  " NAME;
    stick->chunk = chunk;
    kg_stick_clock(stick);
    bool unread, has_files = kg_stick_open_volume(stick) || kg_stick_open_server(stick) || kg_stick_open_tftp(stick);
    if (!has_files) {
        return;
    }
    kg_stick_screen(stick); /* nothing is drawn yet, if the server is not silent */
    if (!read_menu(stick, &unread)) {
        return;
    }
    read_added_menus(stick);
    const struct kg_menu_entry *entry = kg_stick_named_entry(stick);
    if (entry && load_entry(stick, entry, stick->view.words) == KG_OK) {
        return;
    }
    if (stick->menu.n_entries == 0 || stick->error.message[0]) {
        show_error(stick, unread && !stick->root ? ALONE_S : 0);
    }
    if (stick->menu.n_entries) {
        kg_menu_view_begin(&stick->view, &stick->menu, NAME, stick->columns, stick->rows);
        choose_and_load(stick);
    }
}
