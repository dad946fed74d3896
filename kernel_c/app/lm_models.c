/* The model in use: it is opened, and the context and the memory of its conversation are chosen. See lm.h. */
#include "lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/events/statusline.h"
#include "app/server/server.h"
#include "app/shell/reader.h"

#include "kgpt/str.h"

#define KG_CTX_DEFAULT 4096u
#define KG_CTX_LEAST 256u
#define KG_CTX_WINDOW 512u /* of mode=perplexity, as in llama-perplexity */
#define KG_CTX_EXPLAIN 64u /* of mode=explain, whose trace grows with its square */
#define KG_CTX_REPLY 1024u /* tokens of the context that a long text leaves to the conversation about it */

/* 4,096 tokens, or more for a long text and an answer to it; at most as many as the model was trained for. */
static uint32_t default_context(struct kgpt *k)
{
    uint32_t most = k->lm->loaded.model.n_ctx_train;
    if (k->config.mode == KG_MODE_PERPLEXITY) {
        return KG_CTX_WINDOW < most ? KG_CTX_WINDOW : most;
    }
    if (k->config.mode == KG_MODE_EXPLAIN) {
        return KG_CTX_EXPLAIN < most ? KG_CTX_EXPLAIN : most;
    }
    uint32_t texts = kg_lm_texts_tokens(k);
    uint32_t wanted = texts > KG_CTX_DEFAULT - KG_CTX_REPLY ? texts + KG_CTX_REPLY : KG_CTX_DEFAULT;
    return wanted < most ? wanted : most;
}

static enum kg_kv_type choose_cache(const struct kgpt *k)
{
    if (k->config.lm.kv != KG_KV_AUTO) {
        return (enum kg_kv_type)k->config.lm.kv;
    }
    bool f32 = k->config.lm.rng == KG_RNG_LLAMA2C || kg_streq(k->lm->loaded.arch, "microgpt");
    return f32 ? KG_KV_F32 : KG_KV_F16;
}

/* Texts at once. A chat and a score have one. */
static uint32_t slots_of(const struct kgpt *k)
{
    enum kg_mode mode = (enum kg_mode)k->config.mode;
    bool one = mode == KG_MODE_CHAT || mode == KG_MODE_PERPLEXITY || mode == KG_MODE_EXPLAIN ||
               (mode == KG_MODE_OPEN && k->lm->loaded.has_chat);
    return one ? 1 : k->config.lm.slots;
}

/* The conversation with the model in use, and a line editor for texts of `room` bytes. */
static void carve_conversation(struct kgpt *k, const struct kg_lm_options *options, size_t room, struct kg_arena *arena)
{
    struct kg_lm *lm = k->lm;
    kg_conversation_carve(&lm->conversation, &lm->loaded, &lm->ops, &lm->workers, options, &lm->speculation, arena);
    if (k->config.mode == KG_MODE_SERVE) {
        lm->server = kg_server_carve(k, slots_of(k), arena);
    } else {
        kg_lm_together_carve(lm, slots_of(k), arena);
    }
    kg_reader_carve(k, room, arena);
}

/* Into k->needs. */
static void count_conversation(struct kgpt *k, const struct kg_lm_options *options)
{
    struct kg_arena counted = kg_arena_counting();
    carve_conversation(k, options, KG_LINE_MAX, &counted);
    kg_lm_texts_count(k, &counted);
    kg_lm_grammar_count(k, &counted);
    k->needs.kv = k->lm->conversation.session.kv_bytes * slots_of(k);
    k->needs.scratch = counted.peak - k->needs.kv;
    k->needs.total = counted.peak;
}

static enum kg_status refuse_context(const struct kgpt *k, uint32_t n_ctx, uint64_t free, struct kg_error *error)
{
    uint32_t slots = slots_of(k);
    const char *smaller = k->config.lm.ctx ? ", or choose a smaller ctx=" : "";
    if (slots == 1) {
        kg_error_set(error, KG_E_MEMORY, "a context of %u needs %s of memory besides the weights, and %s are free",
                     n_ctx, kg_amount(k->needs.total).text, kg_amount(free).text);
        kg_error_hint(error, "give the machine more memory%s", smaller);
    } else {
        kg_error_set(error, KG_E_MEMORY, "%u contexts of %u need %s of memory besides the weights, and %s are free",
                     slots, n_ctx, kg_amount(k->needs.total).text, kg_amount(free).text);
        kg_error_hint(error, "give the machine more memory, or choose fewer slots=%s", smaller);
    }
    return KG_E_MEMORY;
}

/* The context that was asked for, or the default, halved until the memory holds it. */
static enum kg_status choose_context(struct kgpt *k, struct kg_lm_options *options, struct kg_error *error)
{
    const struct kg_lm_loaded *loaded = &k->lm->loaded;
    uint64_t free = kg_arena_left(&k->arena);
    uint32_t asked = k->config.lm.ctx, most = loaded->model.n_ctx_train;
    if (asked > most && k->lm->in_use) { /* ctx= was meant for another model */
        asked = most;
        kg_print("kgpt: a context of %u, which is what this model was trained for\n", most);
    }
    *options = (struct kg_lm_options){.n_ctx = asked ? asked : default_context(k),
                                      .n_batch = k->config.mode == KG_MODE_EXPLAIN ? 1 : k->config.lm.ubatch,
                                      .kv = choose_cache(k),
                                      .n_logits = k->config.mode == KG_MODE_PERPLEXITY ? k->config.lm.ubatch : 1};
    if (!kg_lm_options_fit(&loaded->model, options)) { /* ubatch is at least 1, and so is n_ctx */
        kg_error_set(error, KG_E_INPUT, "ctx=%u is more than the %u positions that the model was trained for", asked,
                     most);
        kg_error_hint(error, "choose at most %u", most);
        return KG_E_INPUT;
    }
    for (;;) {
        options->n_batch = options->n_batch < options->n_ctx ? options->n_batch : options->n_ctx;
        options->n_logits = options->n_logits < options->n_batch ? options->n_logits : options->n_batch;
        *options = kg_batch_options(*options, slots_of(k));
        count_conversation(k, options);
        if (k->needs.total <= free || asked || options->n_ctx / 2 < KG_CTX_LEAST) {
            break;
        }
        options->n_ctx /= 2;
    }
    kg_report_memory(k);
    kg_event_memory(k);
    if (k->needs.total <= free) {
        return KG_OK;
    }
    return refuse_context(k, options->n_ctx, free, error);
}

/* Bytes of the line editor: a message as long as the context, if the free memory holds it and its encoding. */
static size_t choose_room(struct kgpt *k, const struct kg_lm_options *options)
{
    const struct kg_vocab *vocab = &k->lm->loaded.vocab;
    size_t room = (size_t)options->n_ctx * vocab->longest + KG_LINE_MAX;
    for (; room > KG_LINE_MAX; room /= 2) {
        struct kg_arena counted = kg_arena_counting();
        carve_conversation(k, options, room, &counted);
        kg_lm_texts_count(k, &counted);
        kg_lm_grammar_count(k, &counted);
        kg_arena_reserve(&counted, kg_vocab_scratch(vocab, room));
        if (counted.peak <= kg_arena_left(&k->arena)) {
            return room;
        }
    }
    return KG_LINE_MAX;
}

static void report_model(struct kgpt *k)
{
    const struct kg_lm_model *model = &k->lm->loaded.model;
    k->needs.weights = model->weight_bytes;
    kg_print("kgpt: model %s: %s, %'lu parameters, %s, %'u tokens, trained for %'u\n", model->name, k->lm->loaded.arch,
             (unsigned long)model->n_parameters, kg_amount(model->weight_bytes).text, model->n_vocab,
             model->n_ctx_train);
    kg_lm_event_model(k);
}

enum kg_status kg_lm_use(struct kgpt *k, uint32_t index, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct kg_lm_options options;
    kg_arena_rewind(&k->arena, lm->base);
    lm->grammar = (struct kg_lm_grammar){0};
    enum kg_status status = kg_lm_open_source(k, &lm->sources[index], &lm->loaded, error);
    if (status == KG_OK) {
        lm->current = index;
        report_model(k);
        status = kg_lm_open_prefill(k, &lm->sources[index], error);
    }
    if (status == KG_OK) {
        status = kg_lm_choose_speculation(k, error);
    }
    if (status == KG_OK) {
        status = choose_context(k, &options, error);
    }
    if (status == KG_OK) {
        kg_statusline(k, "preparing the context");
        carve_conversation(k, &options, choose_room(k, &options), &k->arena);
        kg_conversation_fill(&lm->conversation);
        kg_lm_report_prefill(k);
        status = kg_lm_grammar_use(k, error);
        lm->in_use = status == KG_OK;
    }
    return status;
}
