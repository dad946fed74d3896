/* The chat on the console: reads messages of one line or several, and answers or obeys them. */
#include "app/lm.h"

#include "app/events/print.h"
#include "app/shell/reader.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define PROMPT "> "
#define QUOTES "\"\"\""
#define PASTE_END "/end"

/* A message, in the memory of the line editor. */
struct message {
    char *text; /* ended by NUL */
    size_t n;
    bool is_text; /* it was pasted or quoted, so that a slash at its start is no command */
};

static bool text_ends_with(const char *text, size_t n, const char *end)
{
    size_t length = kg_strlen(end);
    return n >= length && memcmp(text + n - length, end, length) == 0;
}

static size_t last_row(const struct kg_lineedit *edit)
{
    size_t at = edit->n;
    while (at > 0 && edit->line[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* Quotes around a message count only where they were typed: pasted ones are text. */
struct marks {
    bool opened; /* the message begins with QUOTES; erasing them ends that */
    bool closed; /* … and ends with them */
};

/* Looks at the row in which Enter was typed. True: the message continues behind its first *keep bytes. */
static bool message_goes_on(const struct kg_lineedit *edit, bool first, struct marks *marks, size_t *keep)
{
    bool quoted = kg_str_starts(edit->line, QUOTES);
    size_t row = last_row(edit);
    marks->opened = quoted && (marks->opened || (first && !edit->pasted));
    marks->closed = false;
    *keep = edit->n;
    if (edit->pasted) {
        return marks->opened;
    }
    if (marks->opened) {
        row = row ? row : sizeof QUOTES - 1;
        marks->closed = text_ends_with(edit->line + row, edit->n - row, QUOTES);
        return !marks->closed;
    }
    *keep -= text_ends_with(edit->line, edit->n, "\\");
    return *keep < edit->n;
}

/* The message without its quotes. */
static struct message without_marks(struct kg_lineedit *edit, bool first, const struct marks *marks)
{
    struct message message = {edit->line, edit->n, edit->pasted || !first};
    if (marks->opened && kg_str_starts(edit->line, QUOTES)) {
        message.text += sizeof QUOTES - 1;
        message.n -= (marks->closed ? 2 : 1) * (sizeof QUOTES - 1);
        message.text[message.n] = '\0';
    }
    return message;
}

static enum kg_read read_message(struct kgpt *k, struct message *message)
{
    struct marks marks = {0};
    size_t keep;
    kg_reader_begin(k, PROMPT, KG_READ_MESSAGE);
    for (bool first = true;; first = false) {
        enum kg_read read = kg_reader_read(k, first ? &kg_lm_chat_commands : NULL);
        if (read == KG_READ_DROPPED || (read == KG_READ_CLOSED && !k->edit.n)) {
            return read;
        }
        marks.closed = false;
        if (read == KG_READ_CLOSED || !message_goes_on(&k->edit, first, &marks, &keep)) {
            *message = without_marks(&k->edit, first, &marks);
            return KG_READ_TEXT;
        }
        kg_reader_continue(k, keep);
    }
}

static bool is_blank(const char *text, size_t n)
{
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n' || text[n - 1] == '\t')) {
        n--;
    }
    return n == 0;
}

void kg_lm_chat_answer(struct kgpt *k, const char *text, size_t n)
{
    struct kg_error error;
    enum kg_status status = text ? kg_lm_chat_message(k, text, n, &error) : kg_lm_chat_again(k, &error);
    if (status == KG_E_STOPPED) {
        kg_print("kgpt: stopped\n");
    } else if (status != KG_OK) {
        kg_say_refused(&error);
    }
}

/* Answers a message that is not blank. The history keeps a refused one too, so that the user can shorten it. */
static void answer_message(struct kgpt *k, const struct message *message)
{
    if (!is_blank(message->text, message->n)) {
        kg_lineedit_remember(&k->edit, message->text);
        kg_lm_chat_answer(k, message->text, message->n);
    }
}

/* Reads lines until PASTE_END, for terminals that do not mark what is pasted. */
void kg_lm_chat_read_pasted(struct kgpt *k)
{
    kg_reader_begin(k, KG_PROMPT_MORE, KG_READ_ROW);
    for (;;) {
        enum kg_read read = kg_reader_read(k, NULL);
        struct kg_lineedit *edit = &k->edit;
        if (read == KG_READ_DROPPED) {
            return;
        }
        size_t row = last_row(edit);
        bool end = kg_streq(edit->line + row, PASTE_END);
        if (end || read == KG_READ_CLOSED) {
            size_t n = end ? row : edit->n;
            n -= n > 0; /* the last line's end */
            edit->line[n] = '\0';
            const struct message message = {edit->line, n, true};
            answer_message(k, &message);
            return;
        }
        kg_reader_continue(k, edit->n);
    }
}

static enum kg_next take_message(struct kgpt *k, struct message *message)
{
    if (message->text[0] == '/' && (!message->is_text || kg_commands_find(&kg_lm_chat_commands, message->text))) {
        kg_lineedit_remember(&k->edit, message->text);
        return kg_commands_obey(&kg_lm_chat_commands, k, message->text);
    }
    answer_message(k, message);
    return KG_NEXT_LINE;
}

void kg_lm_chat_run(struct kgpt *k)
{
    struct message message;
    kg_print("kgpt: chat with %s (%s, context %u): /help lists the commands, Ctrl-C ends a reply, Ctrl-D leaves\n",
             k->lm->loaded.model.name, k->lm->loaded.chat.family, k->lm->conversation.session.options.n_ctx);
    k->lm->chatting = true;
    for (;;) {
        enum kg_read read = read_message(k, &message);
        if (read == KG_READ_CLOSED || (read == KG_READ_TEXT && take_message(k, &message) == KG_NEXT_HALT)) {
            break;
        }
    }
    k->lm->chatting = false;
}
