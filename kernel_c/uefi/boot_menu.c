/* The boot menu of the medium: see stick.h. */
#include "stick.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define MENU_FILE "/kgpt/menu.cfg"
#define MODELS "/models"
#define CHOICE "menu=" /* load options of another kernel: the entry's id, then its words */
#define WAIT_US 20000
#define PATH_NODE_MAX 1024

/* Reads the menu files. Returns false if the medium has no menu. */
static bool read_menus(struct kg_stick *stick)
{
    struct kg_text text;
    kg_menu_begin(&stick->menu);
    if (kg_stick_text(stick, MENU_FILE, &text) != KG_OK) {
        return true;
    }
    if (!text.data) {
        return false;
    }
    stick->error.message[0] = '\0';
    kg_menu_parse(&stick->menu, MENU_FILE, text.data, text.n, &stick->error);
    return true;
}

/* True if `name` ends in .menu; then `path` is the file's path in /models. */
static bool is_menu_name(const uint16_t *name, char path[KG_STICK_PATH_MAX])
{
    static const char ending[] = ".menu";
    size_t head = kg_format(path, KG_STICK_PATH_MAX, "%s/", MODELS), n = 0, m = sizeof ending - 1;
    for (; name[n] && head + n + 1 < KG_STICK_PATH_MAX; n++) {
        if (name[n] > 0x7E) {
            return false;
        }
        path[head + n] = (char)name[n];
    }
    path[head + n] = '\0';
    return n > m && name[n] == 0 && memcmp(path + head + n - m, ending, m) == 0;
}

/* Appends the entries of models that kgpt image add copied. */
static void read_added_menus(struct kg_stick *stick)
{
    uint16_t folder_name[sizeof MODELS + 3];
    char path[KG_STICK_PATH_MAX];
    struct kg_efi_file *folder;
    kg_stick_utf16((struct kg_text){MODELS, sizeof MODELS - 1}, folder_name, sizeof MODELS + 3, true);
    if (kg_efi_failed(stick->root->open(stick->root, &folder, folder_name, KG_EFI_FILE_READ, 0))) {
        return;
    }
    for (size_t i = 0; i < KG_STICK_FILES_MAX; i++) {
        const struct kg_efi_file_info *info = (const struct kg_efi_file_info *)(const void *)stick->chunk;
        uint64_t room = KG_STICK_CHUNK;
        struct kg_text text;
        if (kg_efi_failed(folder->read(folder, &room, stick->chunk)) || room == 0) {
            break;
        }
        if (is_menu_name(info->name, path) && kg_stick_text(stick, path, &text) == KG_OK && text.data) {
            kg_menu_parse(&stick->menu, path, text.data, text.n, &stick->error);
        }
    }
    folder->close(folder);
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
    uint64_t last = kg_stick_ticks();
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
        uint64_t passed = (kg_stick_ticks() - last) / stick->ticks_per_ms;
        last += passed * stick->ticks_per_ms;
        want = kg_menu_pass(&stick->view, (int)(passed < 60000 ? passed : 60000));
    }
}

static void show_error(struct kg_stick *stick)
{
    char text[KG_MENU_ROW_BYTES];
    size_t width = stick->columns - 4;
    kg_stick_clear(stick);
    kg_stick_row(stick, 1, KG_MENU_TITLE, "  kgpt: NOT STARTED");
    for (size_t i = 0, n = kg_strlen(stick->error.message); i * width < n && i < 4; i++) {
        kg_format(text, sizeof text, "  %.*s", (int)width, stick->error.message + i * width);
        kg_stick_row(stick, 3 + i, KG_MENU_PLAIN, text);
    }
    kg_format(text, sizeof text, "  %.*s", (int)width, stick->error.hint);
    kg_stick_row(stick, 8, KG_MENU_PLAIN, text);
    kg_stick_row(stick, stick->rows - 2, KG_MENU_DIM, "  Any key goes back to the menu.");
    while (!kg_stick_key(stick)) {
        stick->u->system->boot->stall(WAIT_US);
    }
}

/* Appends the node for a file to the device path of the medium. Returns false if it does not fit. */
static bool make_path(struct kg_stick *stick, struct kg_text file, uint8_t path[PATH_NODE_MAX])
{
    static const struct kg_efi_guid guid = KG_EFI_DEVICE_PATH_GUID;
    const uint8_t *device = kg_uefi_protocol(stick->u, stick->u->loaded->device, &guid);
    uint16_t name[KG_STICK_PATH_MAX];
    size_t at = 0;
    while (device && device[at] != 0x7F) {
        size_t n = device[at + 2] | (size_t)device[at + 3] << 8;
        if (n < 4 || at + n > PATH_NODE_MAX / 2) {
            return false;
        }
        at += n;
    }
    if (!device) {
        return false;
    }
    memcpy(path, device, at);
    size_t bytes = 2 * (kg_stick_utf16(file, name, KG_STICK_PATH_MAX - 1, true) + 1), size = bytes + 4;
    if (at + size + 4 > PATH_NODE_MAX) {
        return false;
    }
    const uint8_t head[4] = {4, 4, (uint8_t)size, (uint8_t)(size >> 8)}, end[4] = {0x7F, 0xFF, 4, 0};
    memcpy(path + at, head, sizeof head);
    memcpy(path + at + 4, name, bytes);
    memcpy(path + at + size, end, sizeof end);
    return true;
}

/* Starts the program of an entry. It reads the same menu file, finds the entry by the load options, and loads its
 * modules. */
static enum kg_status start_program(struct kg_stick *stick, const struct kg_menu_entry *entry)
{
    static const struct kg_efi_guid guid = KG_EFI_LOADED_IMAGE_GUID;
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    uint8_t path[PATH_NODE_MAX];
    kg_efi_handle program = NULL;
    kg_efi_status status = make_path(stick, entry->kernel, path)
                               ? services->load_image(false, stick->u->image, path, NULL, 0, &program)
                               : KG_EFI_NOT_FOUND;
    struct kg_efi_loaded_image *loaded = kg_efi_failed(status) ? NULL : kg_uefi_protocol(stick->u, program, &guid);
    if (loaded) {
        kg_format(stick->line, sizeof stick->line, CHOICE "%.*s %s", (int)entry->id.n, entry->id.data,
                  stick->view.words);
        size_t n = kg_stick_utf16((struct kg_text){stick->line, kg_strlen(stick->line)}, stick->options,
                                  sizeof stick->options / 2, false);
        loaded->load_options = stick->options;
        loaded->load_options_size = (uint32_t)(2 * (n + 1));
        status = services->start_image(program, NULL, NULL);
    }
    bool refused = status == KG_EFI_SECURITY_VIOLATION || status == KG_EFI_ACCESS_DENIED;
    kg_error_set(&stick->error, KG_E_INPUT, "%.*s: %s", (int)(entry->kernel.n < 100 ? entry->kernel.n : 100),
                 entry->kernel.data,
                 refused                      ? "Secure Boot refuses this program"
                 : status == KG_EFI_NOT_FOUND ? "it is not on the stick"
                                              : "the firmware could not start it");
    kg_error_hint(&stick->error, refused ? "sign the stick's programs" : "write the stick again");
    return KG_E_INPUT;
}

static void drop_modules(struct kg_stick *stick)
{
    struct kg_boot *boot = &stick->u->handover->boot;
    for (size_t i = 0; i < boot->n_modules; i++) {
        stick->u->system->boot->free_pages(boot->modules[i].base,
                                           (boot->modules[i].size + KG_UEFI_PAGE - 1) / KG_UEFI_PAGE);
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
        kg_stick_clear(stick);
        kg_stick_row(stick, 1, KG_MENU_TITLE, "  kgpt");
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

/* The entry that the load options name, and its words; NULL if they name none. */
static const struct kg_menu_entry *entry_of_options(struct kg_stick *stick, const char **words)
{
    const char *options = stick->u->handover->boot.cmdline;
    size_t n = sizeof CHOICE - 1, end = n;
    if (!kg_str_starts(options, CHOICE)) {
        return NULL;
    }
    while (options[end] && options[end] != ' ') {
        end++;
    }
    size_t found = kg_menu_find(&stick->menu, (struct kg_text){options + n, end - n});
    size_t length = kg_strlen(options + end);
    memcpy(stick->line, options + end, length + 1);
    memcpy(stick->view.words, stick->line, length + 1);
    *words = stick->view.words;
    return found < stick->menu.n_entries ? &stick->menu.entries[found] : NULL;
}

static void choose_and_load(struct kg_stick *stick)
{
    for (;;) {
        run_menu(stick);
        const struct kg_menu_entry *entry = &stick->menu.entries[stick->view.chosen];
        enum kg_status status =
            entry->kernel.n ? start_program(stick, entry) : load_entry(stick, entry, stick->view.words);
        if (status == KG_OK) {
            return;
        }
        show_error(stick);
        kg_menu_wait(&stick->view);
    }
}

void kg_uefi_boot_menu(struct kg_uefi *u)
{
    static const struct kg_efi_guid guid = KG_EFI_SIMPLE_FILE_SYSTEM_GUID;
    struct kg_efi_simple_file_system *volume = u->loaded->device ? kg_uefi_protocol(u, u->loaded->device, &guid) : NULL;
    struct kg_stick *stick = (struct kg_stick *)kg_uefi_pages(u, sizeof *stick, UINT64_MAX);
    uint8_t *chunk = (uint8_t *)kg_uefi_pages(u, KG_STICK_CHUNK, KG_UEFI_FOUR_GIB - 1);
    const char *words;
    if (!volume || !stick || !chunk) {
        return;
    }
    memset(stick, 0, sizeof *stick);
    stick->u = u;
    stick->chunk = chunk;
    if (kg_efi_failed(volume->open_volume(volume, &stick->root)) || !read_menus(stick)) {
        return;
    }
    kg_stick_console(stick);
    read_added_menus(stick);
    const struct kg_menu_entry *entry = entry_of_options(stick, &words);
    if (entry && load_entry(stick, entry, words) == KG_OK) {
        return;
    }
    if (stick->menu.n_entries == 0 || stick->error.message[0]) {
        show_error(stick);
    }
    if (stick->menu.n_entries) {
        kg_menu_view_begin(&stick->view, &stick->menu, stick->columns, stick->rows);
        choose_and_load(stick);
    }
}
