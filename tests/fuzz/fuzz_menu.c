/* Fuzzes the boot menu of kgpt.efi. The first two bytes size the screen and count the keys; keys come next, then the
 * menu file. Every entry's texts lie within the file, and every row fits the screen. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "loader/menu.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *file_begin, *file_end;

UNWATCHED static void check_text(struct kg_text text)
{
    promise(text.n == 0 || (text.data >= file_begin && text.data + text.n <= file_end));
}

UNWATCHED static void check_menu(const struct kg_menu *menu)
{
    promise(menu->n_entries <= KG_MENU_ENTRIES_MAX && menu->n_modules <= KG_MENU_MODULES_MAX);
    for (size_t i = 0; i < menu->n_entries; i++) {
        const struct kg_menu_entry *entry = &menu->entries[i];
        check_text(entry->id);
        check_text(entry->title);
        check_text(entry->kernel);
        check_text(entry->words);
        promise(entry->words.n <= KG_MENU_WORDS_MAX && entry->first_module + entry->n_modules <= menu->n_modules);
    }
    for (size_t i = 0; i < menu->n_modules; i++) {
        check_text(menu->modules[i].path);
        check_text(menu->modules[i].words);
    }
}

UNWATCHED static void check_rows(const struct kg_menu_view *view)
{
    char text[KG_MENU_ROW_BYTES + 1];
    promise(view->chosen <= view->menu->n_entries && view->n_words <= KG_MENU_WORDS_MAX);
    promise(view->words[view->n_words] == '\0' && view->cursor <= view->n_words);
    for (size_t row = 0; row < view->rows; row++) {
        text[KG_MENU_ROW_BYTES] = 'x';
        kg_menu_row(view, row, text);
        promise(strlen(text) < KG_MENU_ROW_BYTES && text[KG_MENU_ROW_BYTES] == 'x');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_menu menu;
    static struct kg_menu_view view;
    struct kg_error error;
    size_t n_keys = size > 2 ? data[1] % 32u : 0;
    if (size < 2 + n_keys) {
        return 0;
    }
    file_begin = (const char *)data + 2 + n_keys;
    file_end = (const char *)data + size;
    kg_menu_begin(&menu);
    kg_menu_parse(&menu, "menu", file_begin, (size_t)(file_end - file_begin), &error);
    check_menu(&menu);
    if (menu.n_entries == 0) {
        return 0;
    }
    kg_menu_view_begin(&view, &menu, "kgpt", 40 + data[0] % 64u, 10 + data[0] / 8u);
    for (size_t i = 0; i < n_keys; i++) {
        uint8_t key = data[2 + i];
        check_rows(&view);
        if (kg_menu_press(&view, key < 0xF0 ? key * (key > 0xE0 ? 257u : 1u) : KG_MENU_UP + key - 0xF0u) ==
            KG_MENU_BOOT) {
            break;
        }
    }
    check_rows(&view);
    return 0;
}
