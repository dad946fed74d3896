/* History in a fixed buffer: new texts displace the oldest. See lineedit.h. */
#include "lineedit_parts.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

void kg_lineedit_carve(struct kg_lineedit *edit, void (*write)(const char *text, size_t n), size_t room,
                       struct kg_arena *arena)
{
    memset(edit, 0, sizeof *edit);
    edit->write = write;
    edit->room = room;
    edit->history_room = 3 * room; /* the draft, and at least two texts of the same length */
    edit->line = kg_arena_take(arena, room);
    edit->history = kg_arena_take(arena, edit->history_room);
}

void kg_lineedit_begin(struct kg_lineedit *edit, const char *prompt)
{
    kg_lineedit_forget_draft(edit);
    edit->prompt = prompt;
    edit->n = edit->cursor = edit->lost = edit->escape_n = edit->character_n = 0;
    edit->line[0] = '\0';
    edit->pasted = false;
    kg_lineedit_show(edit);
}

/* Offset of the text that ends before `end`. */
static size_t text_before(const struct kg_lineedit *edit, size_t end)
{
    size_t at = end - 1;
    while (at > 0 && edit->history[at - 1] != '\0') {
        at--;
    }
    return at;
}

static size_t text_behind(const struct kg_lineedit *edit, size_t at)
{
    return at + kg_strlen(edit->history + at) + 1;
}

static void insert_line(struct kg_lineedit *edit, const char *text)
{
    size_t n = kg_strlen(text) + 1;
    while (edit->history_room - edit->history_n < n) {
        size_t oldest = text_behind(edit, 0);
        edit->history_n -= oldest;
        memmove(edit->history, edit->history + oldest, edit->history_n);
    }
    memcpy(edit->history + edit->history_n, text, n);
    edit->history_n += n;
}

void kg_lineedit_forget_draft(struct kg_lineedit *edit)
{
    if (edit->drafted) {
        edit->history_n = text_before(edit, edit->history_n);
        edit->drafted = false;
    }
    edit->history_at = edit->history_n;
}

void kg_lineedit_remember(struct kg_lineedit *edit, const char *text)
{
    kg_lineedit_forget_draft(edit);
    if (*text && (!edit->history_n || !kg_streq(text, edit->history + text_before(edit, edit->history_n)))) {
        insert_line(edit, text);
    }
    edit->history_at = edit->history_n;
}

static void show_text(struct kg_lineedit *edit, size_t at)
{
    const char *text = edit->history + at;
    edit->history_at = at;
    edit->n = edit->cursor = kg_strlen(text);
    memcpy(edit->line, text, edit->n + 1);
    edit->lost = 0;
    edit->pasted = kg_lineedit_row(edit) > 0;
    kg_lineedit_draw(edit);
}

void kg_lineedit_older(struct kg_lineedit *edit)
{
    if (!edit->history_n) {
        return;
    }
    if (!edit->drafted) {
        insert_line(edit, edit->line);
        edit->drafted = true;
        edit->draft_pasted = edit->pasted;
        edit->history_at = text_before(edit, edit->history_n);
    }
    if (edit->history_at > 0) {
        show_text(edit, text_before(edit, edit->history_at));
    }
}

void kg_lineedit_newer(struct kg_lineedit *edit)
{
    if (!edit->drafted) {
        return;
    }
    size_t next = text_behind(edit, edit->history_at);
    if (next < edit->history_n) {
        show_text(edit, next);
    }
    if (edit->history_at == text_before(edit, edit->history_n)) { /* back at the new text, which can be edited */
        edit->pasted = edit->draft_pasted;
        kg_lineedit_forget_draft(edit);
    }
}
