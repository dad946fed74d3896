/* Line editor: see lineedit.h. A character at the end of the text is echoed; other changes redraw the row. So a
 * transcript of plain typing contains no escape sequences. */
#include "lineedit_parts.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define CTRL(letter) ((letter) & 0x1F)
#define ESCAPE 0x1B
#define DELETE 0x7F

static bool is_continuation(char c)
{
    return (c & 0xC0) == 0x80;
}

static void insert(struct kg_lineedit *edit, const char *text, size_t n)
{
    if (n >= edit->room - edit->n) {
        if (edit->lost == 0) {
            edit->write("\a", 1);
        }
        edit->lost += n;
        return;
    }
    bool at_end = edit->cursor == edit->n;
    memmove(edit->line + edit->cursor + n, edit->line + edit->cursor, edit->n - edit->cursor + 1);
    memcpy(edit->line + edit->cursor, text, n);
    edit->n += n;
    edit->cursor += n;
    edit->pasted = edit->pasted || edit->pasting;
    kg_lineedit_draw_added(edit, n, at_end);
}

void kg_lineedit_insert(struct kg_lineedit *edit, const char *text, size_t n)
{
    insert(edit, text, n);
}

void kg_lineedit_continue(struct kg_lineedit *edit, size_t n)
{
    if (n + 1 < edit->room) {
        edit->line[n++] = '\n';
    } else {
        edit->lost++;
    }
    edit->n = edit->cursor = n;
    edit->line[n] = '\0';
    edit->pasted = false;
    kg_lineedit_show(edit);
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

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

static size_t word_before_cursor(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor;
    while (at > 0 && is_space(edit->line[at - 1])) {
        at--;
    }
    while (at > 0 && !is_space(edit->line[at - 1])) {
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
    edit->lost = edit->n ? edit->lost : 0;
    kg_lineedit_draw(edit);
}

static void move(struct kg_lineedit *edit, size_t to)
{
    if (to != edit->cursor) {
        edit->cursor = to;
        kg_lineedit_draw(edit);
    }
}

/* Erases to the start of the row; at the start, the line feed before it. */
static void erase_before(struct kg_lineedit *edit)
{
    size_t from = kg_lineedit_row(edit);
    erase(edit, from == edit->cursor && from > 0 ? from - 1 : from, edit->cursor);
}

static void erase_behind(struct kg_lineedit *edit)
{
    size_t to = kg_lineedit_row_end(edit);
    erase(edit, edit->cursor, to == edit->cursor && to < edit->n ? to + 1 : to);
}

/* Executes a sequence: ESC [ or ESC O, then a letter, or a number and '~'. */
static void obey_escape(struct kg_lineedit *edit)
{
    char key = edit->escape[edit->escape_n - 1];
    if (edit->escape_n == 6 && memcmp(edit->escape + 1, "[20", 3) == 0) { /* bracketed paste: 200 begins, 201 ends */
        edit->pasting = edit->escape[4] == '0';
        edit->brackets = true;
        return;
    }
    if (edit->pasting) {
        return;
    }
    if (key == '~') {
        bool long_number = edit->escape[3] >= '0' && edit->escape[3] <= '9'; /* function keys: F5 is 15 */
        char number = long_number ? '\0' : edit->escape[2];
        key = number == '1' || number == '7' ? 'H' : number == '4' || number == '8' ? 'F' : number == '3' ? 'X' : '~';
    }
    switch (key) {
    case 'A': kg_lineedit_older(edit); break;
    case 'B': kg_lineedit_newer(edit); break;
    case 'C': move(edit, after_cursor(edit)); break;
    case 'D': move(edit, before_cursor(edit)); break;
    case 'H': move(edit, kg_lineedit_row(edit)); break;
    case 'F': move(edit, kg_lineedit_row_end(edit)); break;
    case 'X': erase(edit, edit->cursor, after_cursor(edit)); break;
    case 'n': edit->answered = true; break; /* answer to the status request of kg_reader */
    default: break;
    }
}

/* Collects an escape sequence. An invalid byte ends it without effect. */
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

/* Collects the bytes of a character, so that only whole characters enter the line. */
static void feed_character(struct kg_lineedit *edit, char c)
{
    if (edit->character_n && !is_continuation(c)) {
        edit->character_n = 0;
    }
    edit->character[edit->character_n++] = c;
    size_t length = kg_utf8_length(edit->character, edit->character_n);
    if (length) {
        uint32_t code = kg_utf8_code(edit->character, length);
        if (code < 0x80 || code > 0x9F) { /* C1 controls: terminals would interpret their echo as a sequence */
            insert(edit, edit->character, length);
        }
        edit->character_n = 0;
    } else if (edit->character_n == sizeof edit->character || (uint8_t)edit->character[0] < 0xC2) {
        edit->character_n = 0;
    }
}

/* Moves to the end of the row first, so that "^C" does not overwrite text. */
static enum kg_edit interrupt(struct kg_lineedit *edit)
{
    move(edit, kg_lineedit_row_end(edit));
    edit->write("^C\n", 3);
    edit->pasting = false;
    return KG_EDIT_INTERRUPTED;
}

static enum kg_edit finish(struct kg_lineedit *edit)
{
    if (edit->pasting && edit->rows) {
        insert(edit, "\n", 1);
        return KG_EDIT_MORE;
    }
    edit->write("\n", 1);
    return KG_EDIT_LINE;
}

static enum kg_edit end(struct kg_lineedit *edit)
{
    if (edit->cursor == edit->n && kg_lineedit_row(edit) == edit->n) {
        return KG_EDIT_END;
    }
    erase(edit, edit->cursor, after_cursor(edit));
    return KG_EDIT_MORE;
}

/* In a paste only line ends, tabs and ESC are keys. Ctrl-C ends a paste whose end mark was lost. */
static bool is_key(const struct kg_lineedit *edit, unsigned char byte)
{
    return !edit->pasting || byte == '\r' || byte == '\n' || byte == '\t' || byte == ESCAPE || byte == CTRL('C');
}

static enum kg_edit obey_control(struct kg_lineedit *edit, unsigned char byte)
{
    switch (byte) {
    case '\r':
    case '\n': return finish(edit);
    case CTRL('C'): return interrupt(edit);
    case CTRL('D'): return end(edit);
    case CTRL('A'): move(edit, kg_lineedit_row(edit)); break;
    case CTRL('E'): move(edit, kg_lineedit_row_end(edit)); break;
    case CTRL('B'): move(edit, before_cursor(edit)); break;
    case CTRL('F'): move(edit, after_cursor(edit)); break;
    case CTRL('P'): kg_lineedit_older(edit); break;
    case CTRL('N'): kg_lineedit_newer(edit); break;
    case CTRL('H'):
    case DELETE: erase(edit, before_cursor(edit), edit->cursor); break;
    case CTRL('K'): erase_behind(edit); break;
    case CTRL('U'): erase_before(edit); break;
    case CTRL('W'): erase(edit, word_before_cursor(edit), edit->cursor); break;
    case CTRL('L'):
        edit->write("\x1b[2J\x1b[H", 7);
        kg_lineedit_draw(edit);
        break;
    case '\t': insert(edit, edit->tabs ? "\t" : " ", 1); break;
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
        return is_key(edit, byte) ? obey_control(edit, byte) : KG_EDIT_MORE;
    }
    feed_character(edit, (char)byte);
    return KG_EDIT_MORE;
}
