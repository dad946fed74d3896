/* Reads typed texts: see reader.h. */
#include "reader.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "shell.h"

void kg_reader_carve(struct kgpt *k, size_t room, struct kg_arena *arena)
{
    kg_lineedit_carve(&k->edit, kg_print_typed, room, arena);
}

/* True if a person types. A program that forwards a terminal declares it with `output`. */
static bool is_typed(const struct kgpt *k)
{
    return k->info->is_typed || k->config.output == KG_OUTPUT_PLAIN || k->config.output == KG_OUTPUT_COLOR;
}

void kg_reader_begin(struct kgpt *k, const char *prompt, enum kg_reader_kind kind)
{
    k->edit.rows = kind == KG_READ_MESSAGE;
    k->edit.tabs = kind != KG_READ_LINE;
    if (is_typed(k)) {
        plat_ask_terminal(k->edit.rows && !k->edit.brackets && !k->edit.answered);
    }
    kg_input_begin(&k->input);
    k->input.idle = kg_keyboards_tell;
    k->input.context = k;
    kg_lineedit_begin(&k->edit, prompt);
    KG_EMIT(shell, .prompt = prompt);
}

void kg_reader_continue(struct kgpt *k, size_t n)
{
    kg_lineedit_continue(&k->edit, n);
    KG_EMIT(shell, .prompt = KG_PROMPT_MORE);
}

/* True if this Enter is part of a paste in a terminal without bracketed paste. Pipes do not count: each line is a
 * text. */
static bool is_pasted(struct kgpt *k, unsigned char byte)
{
    const struct kg_lineedit *edit = &k->edit;
    bool enter = byte == '\r' || (byte == '\n' && !edit->after_return);
    return enter && edit->rows && edit->answered && !edit->brackets && kg_input_is_pasted(&k->input);
}

static enum kg_edit feed(struct kgpt *k, unsigned char byte, const struct kg_commands *commands)
{
    struct kg_lineedit *edit = &k->edit;
    if (is_pasted(k, byte)) {
        edit->pasting = true;
        enum kg_edit result = kg_lineedit_feed(edit, byte);
        edit->pasting = false;
        return result;
    }
    if (byte == '\t' && commands && is_typed(k) && !edit->pasting && kg_commands_complete(commands, k)) {
        return KG_EDIT_MORE;
    }
    bool answered = edit->answered;
    enum kg_edit result = kg_lineedit_feed(edit, byte);
    if (edit->answered != answered) { /* the terminal sent this answer by itself: restart the timing */
        kg_input_begin(&k->input);
    }
    return result;
}

/* A text that did not fit is refused; its beginning is kept in the history. */
static enum kg_read take_text(struct kgpt *k, enum kg_read read)
{
    struct kg_error error;
    struct kg_lineedit *edit = &k->edit;
    if (!edit->lost) {
        return read;
    }
    kg_error_set(&error, KG_E_INPUT, "the text has %zu bytes, and there is room for %zu", edit->n + edit->lost,
                 edit->room - 1);
    kg_error_hint(&error, "shorten it: the arrow up brings its first %zu bytes back", edit->n);
    kg_say_refused(&error);
    kg_lineedit_remember(edit, edit->line);
    return KG_READ_DROPPED;
}

static bool is_row_empty(const struct kg_lineedit *edit)
{
    return edit->n == 0 || edit->line[edit->n - 1] == '\n';
}

enum kg_read kg_reader_read(struct kgpt *k, const struct kg_commands *commands)
{
    for (;;) {
        int byte = kg_input_byte(&k->input);
        switch (byte < 0 ? KG_EDIT_END : feed(k, (unsigned char)byte, commands)) {
        case KG_EDIT_MORE: break;
        case KG_EDIT_LINE: return take_text(k, KG_READ_TEXT);
        case KG_EDIT_INTERRUPTED: return KG_READ_DROPPED;
        case KG_EDIT_END:
            plat_write("\n", 1);
            if (k->input.ended) { /* the incomplete text is discarded */
                k->edit.n = 0;
                return KG_READ_CLOSED;
            }
            return take_text(k, is_row_empty(&k->edit) ? KG_READ_CLOSED : KG_READ_TEXT);
        }
    }
}
