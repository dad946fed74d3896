/* Shell commands for language models: see engine.h. */
#include "app/engine.h"
#include "app/lm.h"

#include "app/events/events.h"
#include "app/events/print.h"

#include "kgpt/parse.h"
#include "kgpt/str.h"

void kg_lm_print_models(const struct kgpt *k)
{
    const struct kg_lm *lm = k->lm;
    for (uint32_t i = 0; i < lm->n_sources; i++) {
        const struct kg_lm_source *source = &lm->sources[i];
        kg_print("%c %u  %s, %s%s\n", i == lm->current ? '*' : ' ', i + 1, source->place, kg_amount(source->size).text,
                 source->chat ? ", with a chat template" : "");
    }
}

/* The tokens of the prompt, at conversation->prompt. */
static enum kg_status encode_lm_prompt(struct kgpt *k, struct kg_text text, uint32_t *n, struct kg_error *error)
{
    struct kg_conversation *conversation = &k->lm->conversation;
    if (k->config.lm.rng == KG_RNG_LLAMA2C) {
        return kg_conversation_encode_llama2c(conversation, text, k->config.max_tokens, n, &k->arena, error);
    }
    return kg_conversation_encode(conversation, text, n, &k->arena, error);
}

/* Layers are told one text after the other: their events do not name it. */
static bool makes_several_at_once(const struct kgpt *k)
{
    return k->lm->batch.n > 1 && k->config.samples > 1 && !k->config.lm.layers;
}

static enum kg_status generate_at_once(struct kgpt *k, struct kg_text text, struct kg_error *error)
{
    uint32_t n = 0;
    struct kg_lm_turn turn;
    enum kg_status status = encode_lm_prompt(k, text, &n, error);
    if (status == KG_OK) {
        return kg_lm_generate_together(k, text, n, error);
    }
    kg_lm_turn_prepare(&turn, k, KG_MODE_GENERATE, text);
    return kg_lm_turn_finish(&turn, status, error); /* which adds a hint */
}

enum kg_status kg_lm_generate(struct kgpt *k, const char *prompt, struct kg_error *error)
{
    struct kg_conversation *conversation = &k->lm->conversation;
    const struct kg_text text = {prompt, kg_strlen(prompt)};
    uint32_t n = 0;
    enum kg_status status = kg_lm_check_rng(k, error);
    kg_conversation_reset(conversation);
    if (status == KG_OK && makes_several_at_once(k)) {
        return generate_at_once(k, text, error);
    }
    for (uint32_t i = 0; i < k->config.samples && status == KG_OK; i++) {
        struct kg_lm_turn turn;
        kg_lm_turn_prepare(&turn, k, KG_MODE_GENERATE, text);
        turn.request.index = i;
        kg_lm_announce_sliding_text(k, &turn.request, text.n);
        if (turn.request.rng != KG_RNG_LLAMA2C) { /* whose texts begin with the prompt themselves */
            kg_lm_print_text(prompt, text.n);
        }
        if (i == 0) {
            status = encode_lm_prompt(k, text, &n, error);
        }
        if (status == KG_OK) {
            status = kg_conversation_continue(conversation, n, &turn.ask, error);
        }
        status = kg_lm_turn_finish(&turn, status, error);
        if (status == KG_E_CONTEXT && conversation->reply.speed.tokens) {
            status = KG_OK; /* the text filled the context: it is complete */
        }
    }
    kg_conversation_reset(conversation); /* a later chat starts with an empty context */
    return status;
}

static enum kg_next run_lm_generate(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    enum kg_status status = kg_lm_generate(k, *arguments ? arguments : k->prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        kg_say_refused(&error);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_lm_chat(struct kgpt *k, char *arguments)
{
    (void)arguments;
    if (k->lm->loaded.has_chat) {
        kg_lm_chat_run(k);
    } else {
        kg_print("kgpt: the model %s has no chat template\n", k->lm->loaded.model.name);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_lm_models(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_print_models(k);
    kg_lm_print_disks(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_lm_load(struct kgpt *k, char *name)
{
    struct kg_error error;
    if (!*name) {
        kg_error_set(&error, KG_E_INPUT, "load takes the number or the name of a file");
        kg_error_hint(&error, "\"models\" lists those on disks");
        kg_say_refused(&error);
    } else if (kg_lm_load_file(k, name, &error) != KG_OK) {
        kg_say_refused(&error);
    } else {
        uint32_t n = k->lm->n_sources;
        kg_print("kgpt: \"use %u\" takes it%s\n", n,
                 k->lm->sources[n - 1].chat ? "" : "; it has no chat template beside it, so it only generates");
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_lm_unload(struct kgpt *k, char *number)
{
    struct kg_error error;
    uint64_t n;
    if (!kg_parse_u64(number, &n) || n < 1 || n > k->lm->n_sources) {
        kg_error_set(&error, KG_E_INPUT, "there is no model \"%.32s\"", number);
        kg_error_hint(&error, "\"models\" lists them: unload 1 to %u", k->lm->n_sources);
        kg_say_refused(&error);
    } else if (kg_lm_unload(k, (uint32_t)n - 1, &error) != KG_OK) {
        kg_say_refused(&error);
    }
    return KG_NEXT_LINE;
}

/* If the new model is refused, the old one is opened again. If that fails too, no model can run: panic. */
static enum kg_next run_lm_use(struct kgpt *k, char *number)
{
    struct kg_error error;
    uint64_t n;
    bool talks = k->lm->chatting; /* the chat needs a model with a template */
    uint32_t before = k->lm->current;
    if (!kg_parse_u64(number, &n) || n < 1 || n > k->lm->n_sources) {
        kg_error_set(&error, KG_E_INPUT, "there is no model \"%.32s\"", number);
        kg_error_hint(&error, "\"%smodels\" lists them: use 1 to %u", talks ? "/" : "", k->lm->n_sources);
        kg_say_refused(&error);
    } else if (talks && !k->lm->sources[n - 1].chat) {
        kg_error_set(&error, KG_E_INPUT, "the model %s has no chat template", k->lm->sources[n - 1].place);
        kg_error_hint(&error, "boot with mode=shell to let it generate");
        kg_say_refused(&error);
    } else if (kg_lm_use(k, (uint32_t)n - 1, &error) != KG_OK) {
        kg_say_refused(&error);
        if (kg_lm_use(k, before, &error) != KG_OK) {
            plat_panic("the model before cannot be used any more");
        }
    }
    return KG_NEXT_LINE;
}

/* The characters that a prompt may have, if the tokens are characters. */
static void print_characters(const struct kg_conversation *conversation)
{
    const struct kg_vocab *vocab = &conversation->loaded->vocab;
    char *piece = conversation->piece;
    if (!kg_streq(vocab->model, "kgpt-char")) {
        return;
    }
    kg_print("vocabulary   ");
    for (uint32_t i = 0; i < vocab->n_vocab; i++) {
        size_t n = kg_vocab_piece(vocab, i, piece, false);
        if (n == 1 && ((unsigned char)piece[0] < 0x20 || piece[0] == 0x7F)) {
            kg_print("\\x%02x", (unsigned)(unsigned char)piece[0]);
        } else {
            kg_lm_print_text(piece, n);
        }
    }
    kg_print("\n");
}

void kg_lm_print_model(const struct kgpt *k)
{
    const struct kg_lm *lm = k->lm;
    const struct kg_lm_loaded *loaded = &lm->loaded;
    const struct kg_lm_model *m = &loaded->model;
    const struct kg_lm_source *source = &lm->sources[lm->current];
    kg_print("name         %s\narchitecture %s\n", m->name, loaded->arch);
    if (source->sha256) {
        kg_print("sha256       ");
        for (size_t i = 0; i < 32; i++) {
            kg_print("%02x", source->sha256[i]);
        }
        kg_print("\n");
    }
    kg_print("from         %s, GGUF version %u\n", source->place, loaded->gguf.version);
    kg_print("parameters   %'lu in %s\n", (unsigned long)m->n_parameters, kg_amount(m->weight_bytes).text);
    kg_print("layers       %u\nwidth        %u, hidden %u\n", m->n_layer, m->n_embd, m->n_ff);
    kg_print("heads        %u of %u, %u for keys and values\n", m->n_head, m->head_dim, m->n_head_kv);
    kg_print("context      %u of %u tokens\n", lm->conversation.session.options.n_ctx, m->n_ctx_train);
    kg_print("tokenizer    %s%s%s, %u tokens\n", loaded->vocab.model, *loaded->vocab.pre ? " " : "", loaded->vocab.pre,
             m->n_vocab);
    kg_print("products     ");
    kg_lm_print_slots(lm);
    print_characters(&lm->conversation);
    kg_print("chat         %s\n", loaded->has_chat ? loaded->chat.family : "no template");
}

static enum kg_next run_lm_model(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_print_model(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_lm_bench(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_lm_bench(k);
    return KG_NEXT_LINE;
}

static bool has_chat(const struct kgpt *k)
{
    return k->lm->loaded.has_chat;
}

const struct kg_command kg_engine_commands[] = {
    {"chat", "", "talk with the model", run_lm_chat, has_chat, KG_SHELL},
    {"generate", "[prompt]", "go on from the prompt; Ctrl-C stops", run_lm_generate, NULL, KG_SHELL},
    {"models", "", "the models that this machine has", run_lm_models, NULL, KG_SHELL_AND_CHAT},
    {"use", "number", "take another model, and begin anew", run_lm_use, NULL, KG_SHELL_AND_CHAT},
    {"load", "file", "read a model from a disk, by number or name, or from a server", run_lm_load, NULL, KG_SHELL},
    {"unload", "number", "give back the memory of a model that was loaded", run_lm_unload, NULL, KG_SHELL},
    {"model", "", "the model in use", run_lm_model, NULL, KG_SHELL},
    {"bench", "", "measure the speed: a prompt of pp tokens, tg tokens one by one", run_lm_bench, NULL, KG_SHELL},
    {0},
};
