/* The boot menu without a screen and a keyboard: what keys and time do, and what each row shows. */
#ifndef KGPT_LOADER_MENU_H
#define KGPT_LOADER_MENU_H

#include "menu_file.h"

/* Keys that are no characters. */
enum kg_menu_key {
    KG_MENU_UP = 0x110000,
    KG_MENU_DOWN,
    KG_MENU_LEFT,
    KG_MENU_RIGHT,
    KG_MENU_HOME,
    KG_MENU_END,
    KG_MENU_PAGE_UP,
    KG_MENU_PAGE_DOWN,
    KG_MENU_DELETE,
    KG_MENU_START, /* F10 */
};

enum kg_menu_want {
    KG_MENU_NOTHING,
    KG_MENU_DRAW,
    KG_MENU_BOOT, /* start the entry `chosen` with `words` */
};

/* A menu on a screen of `columns` by `rows` characters. */
struct kg_menu_view {
    const struct kg_menu *menu;
    const char *name;
    size_t chosen; /* n_entries: the row that switches safe graphics */
    size_t top;    /* the first entry that is shown */
    bool safe;     /* entries start with screen=safe */
    bool edits;    /* the words of the chosen entry are being edited */
    int left;      /* milliseconds until the chosen entry starts; negative: never */
    size_t columns, rows;
    char words[KG_MENU_WORDS_MAX + 1];
    size_t n_words, cursor; /* bytes of `words`, and the edited position in them */
};

/* Colours of a row. */
enum kg_menu_look {
    KG_MENU_PLAIN,
    KG_MENU_TITLE,
    KG_MENU_CHOSEN,
    KG_MENU_DIM,
    KG_MENU_PROGRESS, /* the text of kg_progress_text */
};

#define KG_MENU_ROW_BYTES 512
#define KG_MENU_HEAD 3 /* rows above the entries */
#define KG_MENU_FOOT 3 /* rows below them */
#define KG_MENU_NAME_ROW 1
#define KG_MENU_LAST_ROW 2 /* from the end: the keys, or the time */
#define KG_MENU_COLUMNS_MIN 40
#define KG_MENU_ROWS_MIN 10

/* `name`: the title. At least KG_MENU_COLUMNS_MIN columns and KG_MENU_ROWS_MIN rows. */
void kg_menu_view_begin(struct kg_menu_view *view, const struct kg_menu *menu, const char *name, size_t columns,
                        size_t rows);

enum kg_menu_want kg_menu_press(struct kg_menu_view *view, uint32_t key);
enum kg_menu_want kg_menu_pass(struct kg_menu_view *view, int milliseconds);

/* Stops the time-out, for a menu that comes back after an error. */
void kg_menu_wait(struct kg_menu_view *view);

/* Writes the text of a row, at most `columns` characters of UTF-8. */
enum kg_menu_look kg_menu_row(const struct kg_menu_view *view, size_t row, char text[KG_MENU_ROW_BYTES]);

#endif
