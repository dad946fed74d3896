/* mode=explain: what is asked for, and the reply that tells it. See explain.h. */
#include "explain.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/run/request.h"

#include "kgpt/str.h"

static enum kg_status read_layer_option(struct kg_layer_list *list, const char *key, const char *text, uint32_t n_layer,
                                        struct kg_error *error)
{
    if (kg_layer_list_read(list, text, n_layer)) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "%s=%.64s: that is no list of the model's %u layer%s", key, text, n_layer,
                 kg_plural(n_layer));
    kg_error_hint(error, "layers are 0 to %u: such as 0,3-5", n_layer - 1);
    return KG_E_INPUT;
}

/* Which layers are told. Vectors are told of layers that are told. */
static enum kg_status choose_layers(struct kg_explain *x, const struct kgpt *k, struct kg_error *error)
{
    uint32_t n_layer = k->lm->loaded.model.n_layer, told[KG_LAYER_LIST_MOST];
    const struct kg_lm_config *config = &k->config.lm;
    enum kg_status status = read_layer_option(&x->layers, "explain_layers", config->explain_layers, n_layer, error);
    if (status == KG_OK) {
        status = read_layer_option(&x->vectors, "explain_vectors", config->explain_vectors, n_layer, error);
    }
    for (uint32_t i = 0; i < KG_LAYER_LIST_MOST / 32; i++) {
        x->vectors.bits[i] &= x->layers.bits[i];
    }
    if (status == KG_OK) {
        x->n_layers = kg_layer_list_write(&x->layers, told);
        x->n_vectors = kg_layer_list_write(&x->vectors, told);
    }
    return status;
}

/* The numbers of a trace of n positions. */
static uint64_t count_numbers(const struct kg_explain *x, const struct kg_lm_model *m, uint64_t n)
{
    uint64_t q = (uint64_t)m->n_head * m->head_dim, kv = (uint64_t)m->n_head_kv * m->head_dim;
    uint64_t vectors = 3 * q + 3 * kv + 2 * (uint64_t)m->n_embd;
    uint64_t layer = 2 * KG_EXPLAIN_ALL + 2 * KG_EXPLAIN_LENS;
    uint64_t vocab = m->n_vocab <= KG_EXPLAIN_VOCAB ? m->n_vocab : 0;
    uint64_t position = x->n_layers * layer + x->n_vectors * vectors + 2 * (uint64_t)m->n_layer + vocab +
                        5 * KG_EXPLAIN_CANDIDATES + (x->n_vectors ? 2 * (uint64_t)m->n_embd : 0);
    return n * position + x->n_layers * m->n_head * (n * (n + 1) / 2);
}

static enum kg_status check_size(const struct kg_explain *x, const struct kg_lm_model *m, uint32_t n,
                                 struct kg_error *error)
{
    uint64_t numbers = count_numbers(x, m, n);
    if (numbers <= KG_EXPLAIN_MOST) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "the trace of %u position%s would have %'lu numbers, more than %'lu", n,
                 kg_plural(n), (unsigned long)numbers, KG_EXPLAIN_MOST);
    kg_error_hint(error, "leave out %slayers (explain_layers=0-%u), or positions (ctx=%u)",
                  x->n_vectors ? "vectors (explain_vectors=none), " : "", (m->n_layer - 1) / 4, n / 2 ? n / 2 : 1);
    return KG_E_INPUT;
}

/* Settings that change what is computed, or how a token is drawn, in ways that the trace does not tell. */
static enum kg_status check_settings(const struct kgpt *k, struct kg_error *error)
{
    const char *what = k->config.lm.rng != KG_RNG_KGPT                 ? "rng=llama2c"
                       : k->config.lm.on_overflow == KG_OVERFLOW_SHIFT ? "on_overflow=shift"
                       : k->lm->speculation.kind != KG_SPECULATE_OFF   ? "speculate"
                                                                       : NULL;
    if (!plat_has_events()) {
        kg_error_set(error, KG_E_INPUT, "mode=explain sends its numbers on the machine channel, and nobody listens");
        kg_error_hint(error, "run it by kgpt explain");
        return KG_E_INPUT;
    }
    if (what) {
        kg_error_set(error, KG_E_INPUT, "mode=explain cannot tell what %s does", what);
        kg_error_hint(error, "leave it out");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static enum kg_status carve_explain(struct kg_explain *x, struct kgpt *k, struct kg_error *error)
{
    const struct kg_lm_model *m = &k->lm->loaded.model;
    struct kg_lm_session *session = &k->lm->conversation.session;
    x->lengths = kg_arena_array(&k->arena, 1 + 2 * (uint64_t)m->n_layer, sizeof *x->lengths);
    x->normed = kg_arena_array(&k->arena, m->n_embd, sizeof *x->normed);
    x->logits = kg_arena_array(&k->arena, m->n_vocab, sizeof *x->logits);
    x->ids = kg_arena_array(&k->arena, KG_EXPLAIN_CANDIDATES, sizeof *x->ids);
    x->kept = kg_arena_array(&k->arena, KG_EXPLAIN_CANDIDATES, sizeof *x->kept);
    x->values = kg_arena_array(&k->arena, KG_EXPLAIN_CANDIDATES, sizeof *x->values);
    x->adjusted = kg_arena_array(&k->arena, KG_EXPLAIN_CANDIDATES, sizeof *x->adjusted);
    x->weights = kg_arena_array(&k->arena, KG_EXPLAIN_CANDIDATES, sizeof *x->weights);
    session->attention =
        kg_arena_array(&k->arena, (uint64_t)m->n_head * session->options.n_ctx, sizeof *session->attention);
    if (session->attention && x->weights && x->logits && x->lengths && x->normed) {
        return KG_OK;
    }
    session->attention = NULL;
    kg_error_set(error, KG_E_MEMORY, "the trace does not fit the memory");
    kg_error_hint(error, "give the machine more memory, or choose a smaller ctx=");
    return KG_E_MEMORY;
}

static void announce_trace(struct kg_explain *x, struct kgpt *k, uint32_t n_prompt, uint32_t n)
{
    uint32_t layers[KG_LAYER_LIST_MOST], vectors[KG_LAYER_LIST_MOST];
    const struct kg_conversation *c = &k->lm->conversation;
    KG_EMIT(explain, .prompt = {c->prompt, n_prompt}, .positions = n,
            .layers = {layers, kg_layer_list_write(&x->layers, layers)},
            .vectors = {vectors, kg_layer_list_write(&x->vectors, vectors)},
            .attn_scale = kg_lm_attn_scale(&k->lm->loaded.model));
}

/* The prompt is in the conversation, `n` tokens. */
static enum kg_status tell_reply(struct kg_explain *x, struct kgpt *k, uint32_t n, struct kg_error *error)
{
    struct kg_conversation *c = &k->lm->conversation;
    uint32_t n_ctx = c->session.options.n_ctx, most = k->config.max_tokens;
    uint32_t positions = most && most <= n_ctx - n ? n + most - 1 : n_ctx;
    enum kg_status status = check_size(x, &k->lm->loaded.model, positions, error);
    if (status == KG_OK) {
        status = carve_explain(x, k, error);
    }
    if (status != KG_OK) {
        return status;
    }
    x->turn.request.layers = true;
    x->turn.request.logits = false;
    x->turn.request.logprobs = 0; /* they would use the candidates between two draws */
    x->turn.channel.layer = kg_explain_layer;
    x->turn.channel.token = kg_explain_token;
    kg_random_seed(&x->random, x->turn.request.seed, 0);
    kg_lm_print_text(k->prompt, kg_strlen(k->prompt));
    announce_trace(x, k, n, positions);
    return kg_conversation_continue(c, n, &x->turn.ask, error);
}

enum kg_status kg_lm_explain(struct kgpt *k, struct kg_error *error)
{
    struct kg_conversation *c = &k->lm->conversation;
    const struct kg_text text = {k->prompt, kg_strlen(k->prompt)};
    struct kg_explain x = {0};
    size_t used = k->arena.used;
    uint32_t n = 0;
    enum kg_status status = check_settings(k, error);
    if (status == KG_OK) {
        status = choose_layers(&x, k, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_lm_turn_prepare(&x.turn, k, KG_MODE_EXPLAIN, text);
    kg_conversation_reset(c);
    kg_lm_truncate(&c->session, 0); /* a prefill too is computed, and told */
    status = kg_conversation_encode(c, text, &n, &k->arena, error);
    if (status == KG_OK) {
        status = tell_reply(&x, k, n, error);
    }
    bool begun = status == KG_OK;
    status = kg_lm_turn_finish(&x.turn, status, error);
    c->session.attention = NULL;
    if (status == KG_E_CONTEXT && begun) {
        status = KG_OK; /* the text filled the context: it is complete */
    }
    kg_arena_rewind(&k->arena, used);
    kg_conversation_reset(c);
    return status;
}
