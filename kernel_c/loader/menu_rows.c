/* What each row of the boot menu shows: see menu.h. */
#include "menu.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define MARGIN 2

/* Copies at most `columns` characters of UTF-8, and as many bytes as fit. */
static size_t copy_characters(char *out, size_t size, struct kg_text text, size_t columns)
{
    size_t n = 0, shown = 0;
    while (n < text.n && n + 4 < size) {
        bool begins = (text.data[n] & 0xC0) != 0x80;
        if (begins && shown == columns) {
            break;
        }
        shown += begins;
        out[n] = text.data[n];
        n++;
    }
    out[n] = '\0';
    return n;
}

static void write_menu_row(const struct kg_menu_view *view, char *out, const char *text)
{
    out[0] = out[1] = ' ';
    copy_characters(out + MARGIN, KG_MENU_ROW_BYTES - MARGIN, (struct kg_text){text, kg_strlen(text)},
                    view->columns - MARGIN);
}

/* A window of the words, with a bar at the cursor. */
static void write_edited_words(const struct kg_menu_view *view, char *out)
{
    char text[KG_MENU_ROW_BYTES];
    size_t room = view->columns - 2 * MARGIN, from = view->cursor > room * 2 / 3 ? view->cursor - room * 2 / 3 : 0;
    while (from && (view->words[from] & 0xC0) == 0x80) {
        from--;
    }
    size_t before = view->cursor - from;
    if (before > sizeof text / 2) {
        before = sizeof text / 2;
    }
    memcpy(text, view->words + from, before);
    text[before] = '|';
    copy_characters(text + before + 1, sizeof text - before - 1,
                    (struct kg_text){view->words + view->cursor, view->n_words - view->cursor}, room);
    write_menu_row(view, out, text);
}

static enum kg_menu_look write_editor_row(const struct kg_menu_view *view, size_t row, char *out)
{
    struct kg_text title = view->menu->entries[view->chosen].title;
    char text[KG_MENU_ROW_BYTES];
    switch (row) {
    case KG_MENU_HEAD:
        kg_format(text, sizeof text, "The words of \"%.*s\":", (int)(title.n < 80 ? title.n : 80), title.data);
        write_menu_row(view, out, text);
        return KG_MENU_PLAIN;
    case KG_MENU_HEAD + 2: write_edited_words(view, out); return KG_MENU_CHOSEN;
    case KG_MENU_HEAD + 4:
        write_menu_row(view, out, "Enter or F10: start.  Esc: back, without the changes.");
        return KG_MENU_DIM;
    case KG_MENU_HEAD + 5:
        write_menu_row(view, out, "Examples: prompt=mar  temperature=0.8 seed=7  scale=2  cpus=4");
        return KG_MENU_DIM;
    default: return KG_MENU_PLAIN;
    }
}

static enum kg_menu_look write_entry_row(const struct kg_menu_view *view, size_t index, char *out)
{
    const struct kg_menu *menu = view->menu;
    char text[KG_MENU_ROW_BYTES];
    if (index > menu->n_entries) {
        return KG_MENU_PLAIN;
    }
    if (index == menu->n_entries) {
        write_menu_row(view, out,
                       view->safe ? "[x] safe graphics: for a screen that stays black"
                                  : "[ ] safe graphics: for a screen that stays black");
    } else {
        text[copy_characters(text, sizeof text, menu->entries[index].title, view->columns - 2 * MARGIN)] = '\0';
        write_menu_row(view, out, text);
    }
    return index == view->chosen ? KG_MENU_CHOSEN : KG_MENU_PLAIN;
}

static void write_last_row(const struct kg_menu_view *view, char *out)
{
    char text[KG_MENU_ROW_BYTES];
    if (view->left >= 0) {
        kg_format(text, sizeof text, "Starts in %d s. Any key stops the clock; Up and Down choose.",
                  (view->left + 999) / 1000);
        write_menu_row(view, out, text);
    } else {
        write_menu_row(view, out, "Up, Down: choose.  Enter: start.  e: change the words of an entry.");
    }
}

enum kg_menu_look kg_menu_row(const struct kg_menu_view *view, size_t row, char text[KG_MENU_ROW_BYTES])
{
    char title[KG_MENU_ROW_BYTES];
    text[0] = '\0';
    if (row == KG_MENU_NAME_ROW) {
        kg_format(title, sizeof title, "%.80s%s", view->name, view->safe ? ", with safe graphics" : "");
        write_menu_row(view, text, title);
        return KG_MENU_TITLE;
    }
    if (row < KG_MENU_HEAD) {
        return KG_MENU_PLAIN;
    }
    if (view->edits) {
        return write_editor_row(view, row, text);
    }
    if (row + KG_MENU_FOOT < view->rows) {
        return write_entry_row(view, view->top + row - KG_MENU_HEAD, text);
    }
    if (row + KG_MENU_LAST_ROW == view->rows) {
        write_last_row(view, text);
        return KG_MENU_DIM;
    }
    return KG_MENU_PLAIN;
}
