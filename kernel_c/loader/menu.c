/* The boot menu's states: see menu.h. */
#include "menu.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define ESCAPE 27
static const char safe_word[] = "screen=safe";

/* Removes "safe>safe-", which names an entry with safe graphics, from the front of an id. */
static bool skip_safe(struct kg_text *id)
{
    static const char prefix[] = "safe>safe-";
    size_t n = sizeof prefix - 1;
    if (id->n < n || memcmp(id->data, prefix, n) != 0) {
        return false;
    }
    *id = (struct kg_text){id->data + n, id->n - n};
    return true;
}

static size_t visible_rows(const struct kg_menu_view *view)
{
    return view->rows - KG_MENU_HEAD - KG_MENU_FOOT;
}

static void scroll_to_chosen(struct kg_menu_view *view)
{
    size_t visible = visible_rows(view);
    if (view->chosen < view->top) {
        view->top = view->chosen;
    } else if (view->chosen >= view->top + visible) {
        view->top = view->chosen - visible + 1;
    }
}

/* The words of the chosen entry, with the word for safe graphics. */
static void take_words(struct kg_menu_view *view)
{
    struct kg_text words = view->menu->entries[view->chosen].words;
    size_t n = words.n, more = sizeof safe_word - 1;
    memcpy(view->words, words.data, n);
    if (view->safe && n + 1 + more <= KG_MENU_WORDS_MAX) {
        if (n) {
            view->words[n++] = ' ';
        }
        memcpy(view->words + n, safe_word, more);
        n += more;
    }
    view->words[n] = '\0';
    view->n_words = view->cursor = n;
}

void kg_menu_view_begin(struct kg_menu_view *view, const struct kg_menu *menu, const char *name, size_t columns,
                        size_t rows)
{
    struct kg_text id = menu->chosen;
    *view = (struct kg_menu_view){.menu = menu,
                                  .name = name,
                                  .columns = columns,
                                  .rows = rows,
                                  .left = menu->timeout < 0 ? -1 : menu->timeout * 1000,
                                  .safe = skip_safe(&id)};
    size_t found = kg_menu_find(menu, id);
    view->chosen = found < menu->n_entries ? found : 0;
    scroll_to_chosen(view);
}

void kg_menu_wait(struct kg_menu_view *view)
{
    view->left = -1;
    view->edits = false;
}

/* Enter on a row: starts the entry, or switches safe graphics. */
static enum kg_menu_want enter_row(struct kg_menu_view *view)
{
    if (view->chosen == view->menu->n_entries) {
        view->safe = !view->safe;
        view->chosen = view->top = 0;
        return KG_MENU_DRAW;
    }
    take_words(view);
    return KG_MENU_BOOT;
}

enum kg_menu_want kg_menu_pass(struct kg_menu_view *view, int milliseconds)
{
    if (view->left < 0 || view->edits) {
        return KG_MENU_NOTHING;
    }
    int before = (view->left + 999) / 1000;
    view->left -= milliseconds;
    if (view->left <= 0) {
        view->left = -1;
        return view->chosen < view->menu->n_entries ? enter_row(view) : KG_MENU_DRAW;
    }
    return (view->left + 999) / 1000 == before ? KG_MENU_NOTHING : KG_MENU_DRAW;
}

static enum kg_menu_want move_to_row(struct kg_menu_view *view, size_t row)
{
    view->chosen = row;
    scroll_to_chosen(view);
    return KG_MENU_DRAW;
}

static enum kg_menu_want press_in_list(struct kg_menu_view *view, uint32_t key)
{
    size_t last = view->menu->n_entries, page = visible_rows(view), at = view->chosen;
    switch (key) {
    case KG_MENU_UP: return move_to_row(view, at ? at - 1 : last);
    case KG_MENU_DOWN: return move_to_row(view, at < last ? at + 1 : 0);
    case KG_MENU_HOME: return move_to_row(view, 0);
    case KG_MENU_END: return move_to_row(view, last);
    case KG_MENU_PAGE_UP: return move_to_row(view, at > page ? at - page : 0);
    case KG_MENU_PAGE_DOWN: return move_to_row(view, at + page < last ? at + page : last);
    case '\r':
    case '\n':
    case KG_MENU_RIGHT:
    case KG_MENU_START: return enter_row(view);
    case 'e':
    case 'E':
        if (at < last) {
            take_words(view);
            view->edits = true;
        }
        return KG_MENU_DRAW;
    default: return KG_MENU_DRAW; /* the time-out has stopped */
    }
}

/* The bytes of the character before (`step` -1) or behind (1) the cursor. */
static size_t character_size(const struct kg_menu_view *view, int step)
{
    size_t n = 0;
    if (step < 0) {
        while (n < view->cursor) {
            n++;
            if ((view->words[view->cursor - n] & 0xC0) != 0x80) {
                break;
            }
        }
        return n;
    }
    while (view->cursor + n < view->n_words) {
        n++;
        if ((view->words[view->cursor + n] & 0xC0) != 0x80) {
            break;
        }
    }
    return n;
}

static void remove_bytes(struct kg_menu_view *view, size_t at, size_t n)
{
    memmove(view->words + at, view->words + at + n, view->n_words - at - n + 1);
    view->n_words -= n;
    view->cursor = at;
}

/* Inserts a character as UTF-8. Firmware gives code points up to U+FFFF. */
static void insert_character(struct kg_menu_view *view, uint32_t code)
{
    char bytes[3];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (code < 0x20 || code == 0x7F || code > 0xFFFF || (code >= 0xD800 && code < 0xE000) ||
        view->n_words + n > KG_MENU_WORDS_MAX) {
        return;
    }
    bytes[n - 1] = (char)(n == 1 ? code : 0x80 | (code & 0x3F));
    if (n == 3) {
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3F));
    }
    if (n > 1) {
        bytes[0] = (char)(n == 2 ? 0xC0 | code >> 6 : 0xE0 | code >> 12);
    }
    memmove(view->words + view->cursor + n, view->words + view->cursor, view->n_words - view->cursor + 1);
    memcpy(view->words + view->cursor, bytes, n);
    view->n_words += n;
    view->cursor += n;
}

static enum kg_menu_want press_in_words(struct kg_menu_view *view, uint32_t key)
{
    switch (key) {
    case KG_MENU_LEFT: view->cursor -= character_size(view, -1); break;
    case KG_MENU_RIGHT: view->cursor += character_size(view, 1); break;
    case KG_MENU_HOME: view->cursor = 0; break;
    case KG_MENU_END: view->cursor = view->n_words; break;
    case KG_MENU_DELETE: remove_bytes(view, view->cursor, character_size(view, 1)); break;
    case '\b':
    case 0x7F: {
        size_t n = character_size(view, -1);
        remove_bytes(view, view->cursor - n, n);
        break;
    }
    case '\r':
    case '\n':
    case KG_MENU_START:
    case 'X' - '@': /* Ctrl-X, as in GRUB */ return KG_MENU_BOOT;
    case ESCAPE: view->edits = false; break;
    default: insert_character(view, key); break;
    }
    return KG_MENU_DRAW;
}

enum kg_menu_want kg_menu_press(struct kg_menu_view *view, uint32_t key)
{
    view->left = -1;
    return view->edits ? press_in_words(view, key) : press_in_list(view, key);
}
