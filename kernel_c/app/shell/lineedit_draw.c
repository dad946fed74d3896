/* Display of the line editor: shows the cursor's row, or the part that fits. See lineedit.h. */
#include "lineedit_parts.h"

#include "kgpt/format.h"
#include "kgpt/str.h"

static bool begins_character(char c)
{
    return (c & 0xC0) != 0x80;
}

static size_t count_characters(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += begins_character(text[i]);
    }
    return count;
}

/* Length in bytes of the first `count` characters, at most n. */
static size_t skip_characters(const char *text, size_t n, size_t count)
{
    size_t at = 0;
    while (at < n && (count > 0 || !begins_character(text[at]))) {
        count -= begins_character(text[at++]);
    }
    return at;
}

size_t kg_lineedit_row(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor;
    while (at > 0 && edit->line[at - 1] != '\n') {
        at--;
    }
    return at;
}

size_t kg_lineedit_row_end(const struct kg_lineedit *edit)
{
    size_t at = edit->cursor;
    while (at < edit->n && edit->line[at] != '\n') {
        at++;
    }
    return at;
}

/* Writes a tab as one space, so that columns can be counted. */
static void write_row(struct kg_lineedit *edit, const char *text, size_t n)
{
    for (size_t at = 0, from = 0; at <= n; at++) {
        if (at == n || text[at] == '\t') {
            edit->write(text + from, at - from);
            from = at + 1;
            if (at < n) {
                edit->write(" ", 1);
            }
        }
    }
}

static const char *prompt_of(const struct kg_lineedit *edit, size_t row)
{
    return row ? KG_PROMPT_MORE : edit->prompt;
}

/* Chooses the visible part of the row: from its start if it fits, otherwise ending at the cursor. */
static void choose_view(struct kg_lineedit *edit, size_t row, size_t columns)
{
    size_t end = kg_lineedit_row_end(edit), before = count_characters(edit->line + row, edit->cursor - row);
    edit->view = row + skip_characters(edit->line + row, end - row, before > columns ? before - columns : 0);
    edit->view_end = edit->view + skip_characters(edit->line + edit->view, end - edit->view, columns);
}

void kg_lineedit_draw(struct kg_lineedit *edit)
{
    char back[24];
    size_t row = kg_lineedit_row(edit);
    const char *prompt = prompt_of(edit, row);
    choose_view(edit, row, KG_LINE_COLUMNS - kg_strlen(prompt));
    edit->write("\r", 1);
    edit->write(prompt, kg_strlen(prompt));
    write_row(edit, edit->line + edit->view, edit->view_end - edit->view);
    edit->write("\x1b[K", 3);
    size_t behind = count_characters(edit->line + edit->cursor, edit->view_end - edit->cursor);
    if (behind) {
        edit->write(back, kg_format(back, sizeof back, "\x1b[%zuD", behind));
    }
}

void kg_lineedit_show(struct kg_lineedit *edit)
{
    size_t row = kg_lineedit_row(edit);
    const char *prompt = prompt_of(edit, row);
    if (kg_lineedit_row_end(edit) > row) {
        kg_lineedit_draw(edit);
        return;
    }
    edit->write(prompt, kg_strlen(prompt));
    edit->view = edit->view_end = row;
}

void kg_lineedit_draw_added(struct kg_lineedit *edit, size_t n, bool at_end)
{
    const char *text = edit->line + edit->cursor - n;
    if (*text == '\n') {
        edit->write(at_end ? "\n" : "\x1b[K\n", at_end ? 1 : 4);
        kg_lineedit_show(edit);
    } else if (at_end && edit->view == kg_lineedit_row(edit)) {
        write_row(edit, text, n);
        edit->view_end = edit->n;
    } else {
        kg_lineedit_draw(edit);
    }
}
