/* The line editor of the shell, on any typed bytes. Beside it runs a small terminal that obeys what the editor writes: after every byte
 * it must show the prompt, the line and the cursor where they are. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lineedit.h"
#include "promise.h"

#define PROMPT "kgpt> "
#define COLUMNS (KG_LINE_MAX + 16)

static struct {
    uint32_t row[COLUMNS]; /* code points */
    size_t n, column;
} screen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The character at `text`, and its length; it must be one. */
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
    promise(code < 0x80 || code > 0x9F); /* some terminals take these for sequences */
    screen.row[screen.column++] = code;
    screen.n = screen.column > screen.n ? screen.column : screen.n;
}

/* ESC [ number letter: returns its bytes. */
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
    size_t prompt_n = sizeof PROMPT - 1, n = prompt_n + edit->n, column = 0, characters = 0;
    memcpy(whole, PROMPT, prompt_n);
    memcpy(whole + prompt_n, edit->line, edit->n);
    for (size_t at = 0; at < n; characters++) {
        column += at < prompt_n + edit->cursor;
        size_t length;
        promise(screen.row[characters] == decode(whole + at, n - at, &length));
        promise(at >= prompt_n + edit->cursor || at + length <= prompt_n + edit->cursor); /* not inside a character */
        at += length;
    }
    promise(screen.n == characters && screen.column == column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_lineedit edit;
    screen.n = screen.column = 0;
    kg_lineedit_init(&edit, terminal);
    kg_lineedit_begin(&edit, PROMPT);
    for (size_t i = 0; i < size; i++) {
        enum kg_edit result = kg_lineedit_feed(&edit, data[i]);
        promise(edit.n < KG_LINE_MAX && edit.cursor <= edit.n && edit.line[edit.n] == '\0');
        promise(memchr(edit.line, '\0', edit.n) == NULL);
        if (result == KG_EDIT_MORE) {
            check_screen(&edit);
        } else {
            promise(result != KG_EDIT_END || edit.n == 0);
            screen.n = screen.column = 0;
            kg_lineedit_begin(&edit, PROMPT);
        }
    }
    return 0;
}
