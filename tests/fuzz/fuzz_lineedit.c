/* Fuzzes the line editor; the first byte selects the kind of text. A small terminal emulator interprets the editor's
 * output. After every byte it must show the prompt, the cursor's row (or its visible part) and the cursor. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "app/shell/lineedit_parts.h"
#include "checked_arena.h"
#include "promise.h"

#define PROMPT "kgpt> "
#define COLUMNS (KG_LINE_MAX + 16)

static struct {
    uint32_t row[COLUMNS]; /* code points */
    size_t n, column;
} screen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes the character at `text`, which must be valid, and its length. */
UNWATCHED static uint32_t decode(const char *text, size_t n, size_t *length)
{
    uint8_t first = (uint8_t)text[0];
    *length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    promise((first < 0x80 || first > 0xC1) && *length <= n);
    uint32_t code = *length == 1 ? first : first & (0x7Fu >> *length);
    for (size_t i = 1; i < *length; i++) {
        promise((text[i] & 0xC0) == 0x80);
        code = code << 6 | (text[i] & 0x3F);
    }
    return code;
}

UNWATCHED static void show(uint32_t code)
{
    promise(screen.column <= screen.n && screen.column < COLUMNS);
    promise(code < 0x80 || code > 0x9F); /* C1 controls: some terminals interpret them as sequences */
    screen.row[screen.column++] = code;
    screen.n = screen.column > screen.n ? screen.column : screen.n;
}

/* Parses ESC [ number letter; returns its length. */
UNWATCHED static size_t obey_sequence(const char *text, size_t n)
{
    size_t at = 2, number = 0;
    promise(n >= 3 && text[1] == '[');
    for (; at < n && text[at] >= '0' && text[at] <= '9'; at++) {
        number = number * 10 + (size_t)(text[at] - '0');
    }
    promise(at < n);
    if (text[at] == 'K') {
        screen.n = screen.column;
    } else if (text[at] == 'D') {
        promise(number > 0 && number <= screen.column);
        screen.column -= number;
    } else {
        promise(text[at] == 'J' || text[at] == 'H'); /* the whole screen, and home */
        screen.n = screen.column = 0;
    }
    return at + 1;
}

UNWATCHED static void terminal(const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        if (text[at] == '\x1b') {
            at += obey_sequence(text + at, n - at);
            continue;
        }
        size_t length;
        uint32_t code = decode(text + at, n - at, &length); /* only whole characters */
        if (text[at] == '\r') {
            screen.column = 0;
        } else if (text[at] == '\n') {
            screen.n = screen.column = 0;
        } else if (text[at] != '\a') {
            promise((uint8_t)text[at] >= 0x20 && text[at] != 0x7F);
            show(code);
        }
        at += length;
    }
}

UNWATCHED static void check_screen(const struct kg_lineedit *edit)
{
    char whole[KG_LINE_MAX + sizeof PROMPT];
    size_t row = kg_lineedit_row(edit), end = kg_lineedit_row_end(edit), from = edit->view, to = edit->view_end;
    promise(row <= from && from <= edit->cursor && edit->cursor <= to && to <= end);
    promise((from == row && to == end) || screen.n == KG_LINE_COLUMNS); /* all that fits is shown */
    const char *prompt = row ? KG_PROMPT_MORE : PROMPT;
    size_t prompt_n = strlen(prompt), n = prompt_n + to - from, cursor = prompt_n + edit->cursor - from;
    size_t column = 0, characters = 0;
    memcpy(whole, prompt, prompt_n);
    memcpy(whole + prompt_n, edit->line + from, to - from);
    for (size_t at = 0; at < n; characters++) {
        column += at < cursor;
        size_t length;
        uint32_t code = decode(whole + at, n - at, &length);
        promise(screen.row[characters] == (code == '\t' ? ' ' : code));
        promise(at >= cursor || at + length <= cursor); /* not inside a character */
        at += length;
    }
    promise(screen.n == characters && screen.column == column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_lineedit edit;
    struct kg_arena arena;
    kg_arena_init(&arena, NULL, 8 * KG_LINE_MAX);
    screen.n = screen.column = 0;
    kg_lineedit_carve(&edit, terminal, KG_LINE_MAX, &arena);
    edit.rows = size && data[0] & 1;
    edit.tabs = size && data[0] & 2;
    kg_lineedit_begin(&edit, PROMPT);
    for (size_t i = 0; i < size; i++) {
        enum kg_edit result = kg_lineedit_feed(&edit, data[i]);
        promise(edit.n < KG_LINE_MAX && edit.cursor <= edit.n && edit.line[edit.n] == '\0');
        promise(!memchr(edit.line, '\0', edit.n));
        if (result == KG_EDIT_LINE && edit.tabs && edit.line[0] == 'c') { /* a text that goes on */
            kg_lineedit_continue(&edit, edit.n);
        } else if (result != KG_EDIT_MORE) {
            promise(result != KG_EDIT_END || edit.n == 0 || edit.line[edit.n - 1] == '\n');
            screen.n = screen.column = 0;
            kg_lineedit_remember(&edit, edit.line);
            kg_lineedit_begin(&edit, PROMPT);
        }
        check_screen(&edit);
        promise(edit.history_n <= edit.history_room && edit.history_at <= edit.history_n);
    }
    checked_arena_free();
    return 0;
}
