/* The chat: messages and commands, and the conversation that they make. */
#include "lm.h"

#include "engine.h"
#include "events.h"
#include "generation.h"
#include "print.h"
#include "shell.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define PROMPT "> "
#define MORE "... "
#ifndef KG_MESSAGE_MAX
#define KG_MESSAGE_MAX 16384 /* bytes of a message, with its NUL */
#endif

void kg_lm_chat_reset(struct kgpt *k)
{
    struct kg_lm *lm = &kg_lm;
    (void)k;
    kg_lm_truncate(&lm->session, 0);
    lm->replies = lm->n_system = 0;
    lm->pending = KG_NO_TOKEN;
    lm->total = (struct kg_lm_speed){0};
}

static struct kg_text system_prompt(const struct kg_config *config)
{
    const char *text = kg_lm_system(&config->lm);
    return (struct kg_text){text, kg_strlen(text)};
}

/* Tokens of the first `n` fragments. */
static uint32_t count_tokens(struct kgpt *k, const struct kg_fragment *fragments, size_t n)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_error error;
    size_t count = 0;
    (void)kg_vocab_encode(&lm->vocab, fragments, n, lm->prompt, 0, &count, &k->arena, &error);
    return (uint32_t)count;
}

/* The fragments up to the message of the user: what a shift is to keep. */
static size_t before_message(const struct kg_fragment *fragments, size_t n, struct kg_text message)
{
    size_t i = 0;
    while (i < n &&
           (fragments[i].special || fragments[i].text < message.data || fragments[i].text > message.data + message.n)) {
        i++;
    }
    return i;
}

/* Refuses what the chat's pieces cannot say as the template would. */
static enum kg_status check_said(struct kg_lm *lm, struct kg_text system, struct kg_text message,
                                 struct kg_error *error)
{
    if (system.n && (lm->chat.flags & KG_CHAT_SYSTEM_REFUSED)) {
        kg_error_set(error, KG_E_INPUT, "the template of %s takes no system prompt", lm->model.name);
        kg_error_hint(error, "leave it out: /system without a text");
        return KG_E_INPUT;
    }
    struct kg_text word = kg_chat_refused(&lm->chat, system, message);
    if (word.data) {
        kg_error_set(error, KG_E_INPUT, "the template of %s gives \"%.*s\" a meaning that this kernel does not know",
                     lm->model.name, (int)(word.n < 64 ? word.n : 64), word.data);
        kg_error_hint(error, "say it in other words");
        return KG_E_INPUT;
    }
    return KG_OK;
}

enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_fragment fragments[2 * KG_CHAT_FRAGMENTS];
    bool first = lm->session.n_past == 0;
    struct kg_text system = system_prompt(&k->config);
    enum kg_status status = check_said(lm, system, (struct kg_text){text, n}, error);
    if (status != KG_OK) {
        return status;
    }
    lm->chat.plain = k->config.lm.think == KG_THINK_OFF;
    struct kg_lm_turn turn = {.fragments = fragments, .mode = KG_MODE_CHAT, .asked = {text, n}, .index = lm->replies};
    turn.bos = first && ((lm->chat.flags & KG_CHAT_BOS) || lm->vocab.add_bos);
    status = first ? KG_OK : kg_lm_settle(k, error);
    if (status != KG_OK) {
        return status;
    }
    if (!first && (lm->chat.flags & KG_CHAT_REWRITES)) { /* the last reply as the template shows it from now on */
        kg_lm_truncate(&lm->session, lm->ask_at);
        turn.n = kg_chat_reply(&lm->chat, (struct kg_text){lm->reply, lm->reply_n}, fragments);
    }
    turn.n += kg_chat_turn(&lm->chat, first, system, (struct kg_text){text, n}, fragments + turn.n);
    uint32_t bos = turn.bos && lm->vocab.bos != KG_NO_TOKEN;
    lm->ask_at = lm->session.n_past + bos + count_tokens(k, fragments, turn.n - 1);
    if (first) {
        lm->n_system = bos + count_tokens(k, fragments, before_message(fragments, turn.n, (struct kg_text){text, n}));
    }
    status = kg_lm_reply(k, &turn, error);
    lm->replies += status == KG_OK || lm->session.n_past > 0;
    return status;
}

/* What a message is collected in. */
static char message[KG_MESSAGE_MAX];
static size_t message_n;

static void set_system(struct kgpt *k, const char *text)
{
    struct kg_config *config = &k->config;
    size_t n = kg_strlen(text);
    if (n >= sizeof config->lm.system) {
        kg_print("kgpt: a system prompt has at most %zu bytes\n", sizeof config->lm.system - 1);
        return;
    }
    memcpy(config->lm.system, text, n + 1);
    config->lm.long_system = NULL;
    config->lm.system_given = n > 0;
    kg_lm_chat_reset(k);
    kg_print("kgpt: %s; the conversation begins anew\n",
             n ? "the system prompt is set" : "the template's own system prompt");
}

/* All that the context holds, special tokens too, in whole characters. */
static void print_history(struct kgpt *k)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_stream stream;
    size_t used = k->arena.used;
    char *out = kg_arena_take(&k->arena, kg_stream_room(lm->vocab.longest));
    kg_stream_begin(&stream);
    for (uint32_t i = 0; out && i < lm->session.n_past; i++) {
        size_t n = kg_vocab_piece(&lm->vocab, lm->session.tokens[i], lm->piece, true);
        plat_text(KG_VOICE_MODEL, out, kg_stream_feed(&stream, lm->piece, n, out));
    }
    if (out) {
        plat_text(KG_VOICE_MODEL, out, kg_stream_end(&stream, out));
    }
    kg_arena_rewind(&k->arena, used);
    kg_print("%skgpt: %u of %u tokens\n", lm->session.n_past ? "\n" : "", lm->session.n_past,
             lm->session.options.n_ctx);
}

static void answer(struct kgpt *k, const char *text, size_t n)
{
    struct kg_error error;
    enum kg_status status = kg_lm_chat_message(k, text, n, &error);
    if (status == KG_E_STOPPED) {
        kg_print("kgpt: stopped\n");
    } else if (status != KG_OK) {
        kg_shell_refuse(k, &error);
    }
}

static enum kg_next do_reset(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_chat_reset(k);
    kg_print("kgpt: the conversation begins anew\n");
    return KG_NEXT_LINE;
}

static enum kg_next do_system(struct kgpt *k, char *arguments)
{
    set_system(k, arguments);
    return KG_NEXT_LINE;
}

static enum kg_next do_set(struct kgpt *k, char *arguments)
{
    kg_shell_set(k, arguments);
    return KG_NEXT_LINE;
}

static enum kg_next do_read(struct kgpt *k, char *arguments)
{
    struct kg_text text;
    size_t used = k->arena.used;
    if (kg_lm_read(k, arguments, &text)) {
        answer(k, text.data, text.n);
    }
    kg_arena_rewind(&k->arena, used);
    return KG_NEXT_LINE;
}

static enum kg_next do_stats(struct kgpt *k, char *arguments)
{
    const struct kg_lm *lm = &kg_lm;
    (void)k;
    (void)arguments;
    kg_print("last reply   ");
    kg_lm_print_speed(&lm->speed);
    kg_print("conversation ");
    kg_lm_print_speed(&lm->total);
    kg_print("context      %u of %u tokens\n", lm->session.n_past, lm->session.options.n_ctx);
    return KG_NEXT_LINE;
}

static enum kg_next do_history(struct kgpt *k, char *arguments)
{
    (void)arguments;
    print_history(k);
    return KG_NEXT_LINE;
}

static enum kg_next do_quit(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    return KG_NEXT_HALT;
}

static enum kg_next do_help(struct kgpt *k, char *arguments);

static const struct kg_command commands[] = {
    {"/reset", "", "forget the conversation", do_reset},
    {"/system", "[text]", "another system prompt, and a new conversation; without text, the template's own", do_system},
    {"/read", "[name …]", "send a file that came with this machine, and what you ask about it", do_read},
    {"/set", "[key value]", "change a setting; without a key, show them all", do_set},
    {"/stats", "", "the speed of the last reply and of the conversation", do_stats},
    {"/history", "", "what the context holds, token by token", do_history},
    {"/quit", "", "leave the chat; Ctrl-D does the same", do_quit},
    {"/help", "", "this list", do_help},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static enum kg_next do_help(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        kg_print("%-9s %-11s  %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
    kg_print("A message ends with Enter. \"\"\" begins one of several lines, and \"\"\" ends it; a \\ at the end of a "
             "line goes on too.\n"
             "Ctrl-C ends a reply.\n");
    return KG_NEXT_LINE;
}

static enum kg_next obey(struct kgpt *k, char *line)
{
    const char *names[N_COMMANDS + 1] = {NULL};
    struct kg_error error;
    char *arguments = kg_shell_cut_word(line);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (kg_streq(line, commands[i].name)) {
            return commands[i].run(k, arguments);
        }
    }
    const char *meant = kg_suggest(line, names);
    kg_error_set(&error, KG_E_INPUT, "unknown command \"%.64s\"", line);
    if (meant) {
        kg_error_hint(&error, "did you mean \"%s\"?", meant);
    } else {
        kg_error_hint(&error, "/help lists the commands");
    }
    kg_shell_refuse(k, &error);
    return KG_NEXT_LINE;
}

enum line {
    LINE_WHOLE,
    LINE_DROPPED, /* Ctrl-C */
    LINE_END,
};

/* One line of input into k->edit.line. */
static enum line read_line(struct kgpt *k, const char *prompt)
{
    kg_lineedit_begin(&k->edit, prompt);
    kg_event_shell(k, prompt);
    for (;;) {
        int byte = kg_input_byte(&k->input);
        enum kg_edit result = byte < 0 ? KG_EDIT_END : kg_lineedit_feed(&k->edit, (unsigned char)byte);
        switch (result) {
        case KG_EDIT_MORE: break;
        case KG_EDIT_LINE: return LINE_WHOLE;
        case KG_EDIT_INTERRUPTED: return LINE_DROPPED;
        case KG_EDIT_END: plat_write("\n", 1); return k->edit.n > 0 && !k->input.ended ? LINE_WHOLE : LINE_END;
        }
    }
}

static bool append(const char *text, size_t n)
{
    if (message_n + n >= sizeof message) {
        kg_print("kgpt: a message has at most %zu bytes\n", sizeof message - 1);
        return false;
    }
    memcpy(message + message_n, text, n);
    message_n += n;
    message[message_n] = '\0';
    return true;
}

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t length = kg_strlen(end);
    return n >= length && memcmp(text + n - length, end, length) == 0;
}

/* The lines of one message: one; or those between """ and """; or as long as they end with a backslash; or all that was pasted at once. */
static enum line read_message(struct kgpt *k)
{
    bool quoted = false, more = true;
    message_n = 0;
    message[0] = '\0';
    for (bool first = true; more; first = false) {
        enum line line = read_line(k, first ? PROMPT : MORE);
        const char *text = k->edit.line;
        size_t n = k->edit.n;
        if (line != LINE_WHOLE) {
            return first || line == LINE_DROPPED || k->input.ended ? line : LINE_WHOLE;
        }
        if (first && n >= 3 && memcmp(text, "\"\"\"", 3) == 0) {
            quoted = true;
            text += 3;
            n -= 3;
        }
        bool closed = quoted && ends_with(text, n, "\"\"\"");
        bool continued = !quoted && ends_with(text, n, "\\");
        n -= closed ? 3 : continued;
        more = quoted ? !closed : continued || k->edit.pasting;
        if (!append(text, n) || (more && !append("\n", 1))) {
            return LINE_DROPPED;
        }
    }
    return LINE_WHOLE;
}

static bool is_blank(const char *text, size_t n)
{
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n')) {
        n--;
    }
    return n == 0;
}

void kg_lm_chat_run(struct kgpt *k)
{
    kg_print("kgpt: chat with %s (%s, context %u): /help lists the commands, Ctrl-C ends a reply, Ctrl-D leaves\n",
             kg_lm.model.name, kg_lm.chat.family, kg_lm.session.options.n_ctx);
    kg_lineedit_init(&k->edit, kg_print_typed);
    for (;;) {
        enum line line = read_message(k);
        if (line == LINE_END) {
            return;
        }
        if (line == LINE_DROPPED || is_blank(message, message_n)) {
            continue;
        }
        if (message[0] != '/') {
            answer(k, message, message_n);
        } else if (obey(k, message) == KG_NEXT_HALT) {
            return;
        }
    }
}
