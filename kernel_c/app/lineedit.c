/* The line editor: see lineedit.h. A character at the end of the line is simply echoed; everything else draws the line
 * again, so a transcript of plain typing holds no escape sequences. */
#include "lineedit.h"

#include <stdint.h>

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define CTRL(letter) ((letter) & 0x1F)
#define ESCAPE 0x1B
#define DELETE 0x7F

void kg_lineedit_init(struct kg_lineedit *edit, void (*write)(const char *text, size_t n))
{
    memset(edit, 0, sizeof *edit);
    edit->write = write;
}

static void write_text(struct kg_lineedit *edit, const char *text)
{
    edit->write(text, kg_strlen(text));
}

static bool is_continuation(char c)
{
    return (c & 0xC0) == 0x80;
}

static size_t characters(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += !is_continuation(text[i]);
    }
    return count;
}

static void redraw(struct kg_lineedit *edit)
{
    char back[24];
    write_text(edit, "\r");
    write_text(edit, edit->prompt);
    edit->write(edit->line, edit->n);
    write_text(edit, "\x1b[K");
    size_t behind = characters(edit->line + edit->cursor, edit->n - edit->cursor);
    if (behind) {
        edit->write(back, kg_format(back, sizeof back, "\x1b[%zuD", behind));
    }
}

void kg_lineedit_begin(struct kg_lineedit *edit, const char *prompt)
{
    edit->prompt = prompt;
    edit->n = edit->cursor = edit->escape_n = edit->character_n = 0;
    edit->line[0] = '\0';
    edit->history_at = edit->history_n;
    write_text(edit, prompt);
}

static void remember(struct kg_lineedit *edit)
{
    const char *last = edit->history_n ? edit->history[(edit->history_n - 1) % KG_HISTORY] : "";
    if (edit->n && !kg_streq(edit->line, last)) {
        memcpy(edit->history[edit->history_n++ % KG_HISTORY], edit->line, edit->n + 1);
    }
}

static void insert(struct kg_lineedit *edit, const char *text, size_t n)
{
    if (edit->n + n >= KG_LINE_MAX) {
        write_text(edit, "\a");
        return;
    }
    bool at_end = edit->cursor == edit->n;
    memmove(edit->line + edit->cursor + n, edit->line + edit->cursor, edit->n - edit->cursor + 1);
    memcpy(edit->line + edit->cursor, text, n);
    edit->n += n;
    edit->cursor += n;
    if (at_end) {
        edit->write(text, n);
    } else {
        redraw(edit);
    }
}

static size_t before_cursor(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor;
    while (at > 0 && is_continuation(edit->line[--at])) {
    }
    return at;
}

static size_t after_cursor(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor + (edit->cursor < edit->n);
    while (at < edit->n && is_continuation(edit->line[at])) {
        at++;
    }
    return at;
}

static size_t word_before_cursor(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor;
    while (at > 0 && edit->line[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && edit->line[at - 1] != ' ') {
        at--;
    }
    return at;
}

static void erase(struct kg_lineedit *edit, size_t from, size_t to)
{
    if (from == to) {
        return;
    }
    memmove(edit->line + from, edit->line + to, edit->n - to + 1);
    edit->n -= to - from;
    edit->cursor = from;
    redraw(edit);
}

static void move(struct kg_lineedit *edit, size_t to)
{
    if (to != edit->cursor) {
        edit->cursor = to;
        redraw(edit);
    }
}

static void show_history(struct kg_lineedit *edit, size_t at)
{
    size_t oldest = edit->history_n > KG_HISTORY ? edit->history_n - KG_HISTORY : 0;
    if (at < oldest || at > edit->history_n || at == edit->history_at) {
        return;
    }
    if (edit->history_at == edit->history_n) {
        memcpy(edit->draft, edit->line, edit->n + 1);
    }
    const char *line = at == edit->history_n ? edit->draft : edit->history[at % KG_HISTORY];
    edit->history_at = at;
    edit->n = edit->cursor = kg_strlen(line);
    memcpy(edit->line, line, edit->n + 1);
    redraw(edit);
}

static void show_older(struct kg_lineedit *edit)
{
    if (edit->history_at > 0) {
        show_history(edit, edit->history_at - 1);
    }
}

/* A whole sequence: ESC [ or ESC O, then a letter, or a number and '~'. */
static void obey_escape(struct kg_lineedit *edit)
{
    char key = edit->escape[edit->escape_n - 1];
    if (edit->escape_n == 6 && memcmp(edit->escape + 1, "[20", 3) == 0) { /* bracketed paste: 200 begins, 201 ends */
        edit->pasting = edit->escape[4] == '0';
        return;
    }
    if (key == '~') {
        bool long_number = edit->escape[3] >= '0' && edit->escape[3] <= '9'; /* function keys: F5 is 15 */
        char number = long_number ? '\0' : edit->escape[2];
        key = number == '1' || number == '7' ? 'H' : number == '4' || number == '8' ? 'F' : number == '3' ? 'X' : '~';
    }
    switch (key) {
    case 'A': show_older(edit); break;
    case 'B': show_history(edit, edit->history_at + 1); break;
    case 'C': move(edit, after_cursor(edit)); break;
    case 'D': move(edit, before_cursor(edit)); break;
    case 'H': move(edit, 0); break;
    case 'F': move(edit, edit->n); break;
    case 'X': erase(edit, edit->cursor, after_cursor(edit)); break;
    default: break;
    }
}

/* Collects an escape sequence; a byte that cannot belong to one ends it without effect. */
static void feed_escape(struct kg_lineedit *edit, char c)
{
    edit->escape[edit->escape_n++] = c;
    if (edit->escape_n == 2) {
        if (c != '[' && c != 'O') {
            edit->escape_n = 0;
        }
    } else if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '~') {
        obey_escape(edit);
        edit->escape_n = 0;
    } else if (edit->escape_n == sizeof edit->escape || !((c >= '0' && c <= '9') || c == ';')) {
        edit->escape_n = 0;
    }
}

/* Collects the bytes of a character, so that only whole ones get into the line. */
static void feed_character(struct kg_lineedit *edit, char c)
{
    if (edit->character_n && !is_continuation(c)) {
        edit->character_n = 0;
    }
    edit->character[edit->character_n++] = c;
    size_t length = kg_utf8_length(edit->character, edit->character_n);
    if (length) {
        uint32_t code = kg_utf8_code(edit->character, length);
        if (code < 0x80 || code > 0x9F) { /* terminals take these, once echoed, for the start of a sequence */
            insert(edit, edit->character, length);
        }
        edit->character_n = 0;
    } else if (edit->character_n == sizeof edit->character || (uint8_t)edit->character[0] < 0xC2) {
        edit->character_n = 0;
    }
}

static enum kg_edit finish(struct kg_lineedit *edit)
{
    remember(edit);
    write_text(edit, "\n");
    return KG_EDIT_LINE;
}

static enum kg_edit interrupt(struct kg_lineedit *edit)
{
    write_text(edit, "^C\n");
    return KG_EDIT_INTERRUPTED;
}

static enum kg_edit obey_control(struct kg_lineedit *edit, unsigned char byte)
{
    switch (byte) {
    case '\r':
    case '\n': return finish(edit);
    case CTRL('C'): return interrupt(edit);
    case CTRL('D'):
        if (edit->n == 0) {
            return KG_EDIT_END;
        }
        erase(edit, edit->cursor, after_cursor(edit));
        break;
    case CTRL('A'): move(edit, 0); break;
    case CTRL('E'): move(edit, edit->n); break;
    case CTRL('B'): move(edit, before_cursor(edit)); break;
    case CTRL('F'): move(edit, after_cursor(edit)); break;
    case CTRL('P'): show_older(edit); break;
    case CTRL('N'): show_history(edit, edit->history_at + 1); break;
    case CTRL('H'):
    case DELETE: erase(edit, before_cursor(edit), edit->cursor); break;
    case CTRL('K'): erase(edit, edit->cursor, edit->n); break;
    case CTRL('U'): erase(edit, 0, edit->cursor); break;
    case CTRL('W'): erase(edit, word_before_cursor(edit), edit->cursor); break;
    case CTRL('L'):
        write_text(edit, "\x1b[2J\x1b[H");
        redraw(edit);
        break;
    case '\t': insert(edit, " ", 1); break;
    case ESCAPE: edit->escape[edit->escape_n++] = ESCAPE; break;
    default: break;
    }
    return KG_EDIT_MORE;
}

enum kg_edit kg_lineedit_feed(struct kg_lineedit *edit, unsigned char byte)
{
    bool second_half = edit->after_return && byte == '\n';
    edit->after_return = byte == '\r';
    if (second_half) {
        return KG_EDIT_MORE;
    }
    if (edit->escape_n && byte >= 0x20) {
        feed_escape(edit, (char)byte);
        return KG_EDIT_MORE;
    }
    edit->escape_n = 0;
    if (byte < 0x20 || byte == DELETE) {
        edit->character_n = 0;
        return obey_control(edit, byte);
    }
    feed_character(edit, (char)byte);
    return KG_EDIT_MORE;
}
