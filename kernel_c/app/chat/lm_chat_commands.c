/* The commands of the chat: see commands.h. */
#include "app/cmdline/keys.h"
#include "app/lm.h"

#include "app/engine.h"
#include "app/events/print.h"
#include "app/shell/shell.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

static void begin_anew(struct kgpt *k, const char *why)
{
    kg_conversation_reset(&k->lm->conversation);
    kg_print("kgpt: %sthe conversation begins anew\n", why);
}

static enum kg_next run_clear(struct kgpt *k, char *arguments)
{
    (void)arguments;
    begin_anew(k, "");
    return KG_NEXT_LINE;
}

static enum kg_next run_regen(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_chat_answer(k, NULL, 0);
    return KG_NEXT_LINE;
}

static void print_system(const struct kgpt *k)
{
    const char *own = kg_lm_system(&k->config.lm);
    struct kg_text of_template = k->lm->loaded.chat.piece[KG_CHAT_DEFAULT_SYSTEM];
    if (*own) {
        kg_print("system       ");
        kg_lm_print_text(own, kg_strlen(own));
    } else {
        kg_print("system       %s", of_template.n ? "the template's own: " : "the template's own, or none");
        kg_lm_print_text(of_template.data, of_template.n);
    }
    kg_print("\n");
}

static void set_system(struct kgpt *k, const char *text)
{
    struct kg_config *config = &k->config;
    struct kg_error error;
    size_t n = kg_strlen(text);
    if (n >= sizeof config->lm.system) {
        kg_error_set(&error, KG_E_INPUT, "the system prompt has %zu bytes, and there is room for %zu", n,
                     sizeof config->lm.system - 1);
        kg_error_hint(&error, "shorten it: the arrow up brings it back");
        kg_say_refused(&error);
        return;
    }
    memcpy(config->lm.system, text, n + 1);
    config->lm.long_system = NULL;
    config->lm.system_given = n > 0;
    kg_lm_settings_changed(k);
    begin_anew(k, n                         ? "the system prompt is set; "
                  : config->lm.image_system ? "the system prompt of the image; "
                                            : "the template's own system prompt; ");
}

static enum kg_next run_system(struct kgpt *k, char *arguments)
{
    if (*arguments) {
        set_system(k, kg_streq(arguments, "default") ? "" : arguments);
    } else {
        print_system(k);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_read(struct kgpt *k, char *arguments)
{
    struct kg_text text;
    size_t used = k->arena.used;
    if (kg_lm_read(k, arguments, &text)) {
        kg_lm_chat_answer(k, text.data, text.n);
    }
    kg_arena_rewind(&k->arena, used);
    return KG_NEXT_LINE;
}

static enum kg_next run_show(struct kgpt *k, char *arguments)
{
    kg_lm_print_model(k);
    kg_shell_set(k, arguments); /* without arguments: prints all settings, the system prompt among them */
    return KG_NEXT_LINE;
}

static enum kg_next run_stats(struct kgpt *k, char *arguments)
{
    const struct kg_conversation *conversation = &k->lm->conversation;
    (void)arguments;
    kg_print("last reply   ");
    kg_lm_print_speed(conversation, &conversation->reply.speed);
    kg_print("conversation ");
    kg_lm_print_speed(conversation, &conversation->total);
    kg_print("context      %u of %u tokens\n", conversation->session.n_past, conversation->session.options.n_ctx);
    return KG_NEXT_LINE;
}

/* Prints the tokens of the context, special tokens too, as whole characters. */
static enum kg_next run_history(struct kgpt *k, char *arguments)
{
    const struct kg_vocab *vocab = &k->lm->loaded.vocab;
    const struct kg_conversation *conversation = &k->lm->conversation;
    const struct kg_lm_session *session = &conversation->session;
    struct kg_stream stream;
    size_t used = k->arena.used;
    char *out = kg_arena_take(&k->arena, kg_stream_room(vocab->longest));
    (void)arguments;
    kg_stream_begin(&stream);
    for (uint32_t i = 0; out && i < session->n_past; i++) {
        size_t n = kg_vocab_piece(vocab, session->tokens[i], conversation->piece, true);
        plat_text(KG_VOICE_MODEL, out, kg_stream_feed(&stream, conversation->piece, n, out));
    }
    if (out) {
        plat_text(KG_VOICE_MODEL, out, kg_stream_end(&stream, out));
    }
    kg_arena_rewind(&k->arena, used);
    kg_print("%skgpt: %u of %u tokens\n", session->n_past ? "\n" : "", session->n_past, session->options.n_ctx);
    return KG_NEXT_LINE;
}

/* For terminals that do not mark what is pasted: see kg_lm_chat_read_pasted. */
static enum kg_next run_paste(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_chat_read_pasted(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_quit(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    return KG_NEXT_HALT;
}

static enum kg_next run_chat_help(struct kgpt *k, char *arguments)
{
    kg_commands_help(&kg_lm_chat_commands, k, arguments);
    if (!*arguments) {
        kg_print("Tab completes a command. Enter sends a message, Ctrl-C ends a reply. \"\"\" begins a message of "
                 "several lines, "
                 "and \"\"\" ends it;\na \\ at the end of a line goes on too. What is pasted is one message, taken as "
                 "it is: "
                 "Enter sends it.\n");
    }
    return KG_NEXT_LINE;
}

static const struct kg_command chat_commands[] = {
    {"clear", "", "forget the conversation; so does /reset", run_clear, NULL, KG_CHAT},
    {"reset", "", NULL, run_clear, NULL, KG_CHAT},
    {"regen", "", "another reply to the last message", run_regen, NULL, KG_CHAT},
    {"system", "[text]", "show the system prompt, or set it, for a new conversation; default: the template's own",
     run_system, NULL, KG_CHAT},
    {"read", "[name …]", "send a file that came with this machine, and what you ask about it", run_read, NULL, KG_CHAT},
    {"show", "", "the model, the system prompt and the settings", run_show, NULL, KG_CHAT},
    {"stats", "", "the speed of the last reply and of the conversation", run_stats, NULL, KG_CHAT},
    {"history", "", "what the context holds, token by token", run_history, NULL, KG_CHAT},
    {"paste", "", "one message of several lines, taken as they are, until a line /end", run_paste, NULL, KG_CHAT},
    {0},
};

static const struct kg_command leaving_commands[] = {
    {"quit", "", "leave the chat; so do /bye, /exit and Ctrl-D", run_quit, NULL, KG_CHAT},
    {"bye", "", NULL, run_quit, NULL, KG_CHAT},
    {"exit", "", NULL, run_quit, NULL, KG_CHAT},
    {"help", "[command]", "this list, or one command of it; so does /?", run_chat_help, NULL, KG_CHAT},
    {"?", "[command]", NULL, run_chat_help, NULL, KG_CHAT},
    {0},
};

static const struct kg_command *const tables[] = {chat_commands,     kg_lm_memory_commands, kg_engine_commands,
                                                  kg_shell_commands, leaving_commands,      NULL};
const struct kg_commands kg_lm_chat_commands = {.tables = tables, .sign = "/", .where = KG_CHAT};
