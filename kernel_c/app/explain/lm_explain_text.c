/* The shell's `explain` for a language model: see explained.h. */
#include "explain.h"
#include "explained.h"
#include "explained_picture.h"

#include "app/events/print.h"
#include "app/run/request.h"

#include "kgpt/format.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

struct explained_text {
    struct kg_explained shown;
    struct kg_layer_list layers; /* whose maps are shown */
    uint32_t n_layers;
    float *maps; /* (n_layers, n_head, n, n) */
    float *normed, *logits;
    bool reads_last; /* the pass of the last token */
};

static void show_lens(const struct explained_text *x, uint32_t layer, const float *stream, size_t n)
{
    struct kgpt *k = x->shown.k;
    struct kg_conversation *c = &k->lm->conversation;
    struct kg_logprob top[KG_EXPLAINED_LENS];
    struct kg_candidate likeliest[KG_EXPLAINED_LENS];
    uint32_t n_top = c->sampler.n_vocab < KG_EXPLAINED_LENS ? c->sampler.n_vocab : KG_EXPLAINED_LENS;
    kg_lm_lens(&c->session, stream, x->normed, x->logits);
    kg_lm_logprobs(&c->sampler, x->logits, top, n_top);
    for (uint32_t i = 0; i < n_top; i++) {
        likeliest[i] = (struct kg_candidate){.id = top[i].id, .weight = kg_expf(top[i].ln_p)};
    }
    kg_explained_layer(&x->shown, layer, kg_sqrtf(k->ops.dot(stream, stream, n)), likeliest, n_top, 1);
}

/* Weights of the token in the pass, into its row of each head's map. */
static void keep_map_rows(const struct explained_text *x, uint32_t layer)
{
    const struct kg_lm_session *session = &x->shown.k->lm->conversation.session;
    uint32_t place = 0, n_head = session->model->n_head, row = session->n_past;
    for (uint32_t i = 0; i < layer; i++) {
        place += kg_layer_list_has(&x->layers, i);
    }
    for (uint32_t head = 0; head < n_head; head++) {
        float *to = x->maps + (((size_t)place * n_head + head) * x->shown.n + row) * x->shown.n;
        memcpy(to, session->attention + (size_t)head * session->options.n_ctx, x->shown.n * sizeof *to);
    }
}

static void read_part(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    const struct explained_text *x = context;
    if (kg_streq(what, "attention") && kg_layer_list_has(&x->layers, layer)) {
        keep_map_rows(x, layer);
    } else if (kg_streq(what, "ffn") && x->reads_last) {
        show_lens(x, layer, values, n);
    }
}

static bool text_is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

/* The tokens of the text, at conversation->prompt, and which layers have maps: the last one unless they are set. */
static enum kg_status begin_explained_text(struct explained_text *x, struct kg_text text, struct kg_error *error)
{
    struct kg_conversation *c = &x->shown.k->lm->conversation;
    const char *list = x->shown.k->config.lm.explain_layers;
    uint32_t n_layer = c->session.model->n_layer, layers[KG_LAYER_LIST_MOST];
    char last[16];
    kg_format(last, sizeof last, "%u", n_layer - 1);
    if (!kg_layer_list_read(&x->layers, *list ? list : last, n_layer)) {
        kg_error_set(error, KG_E_INPUT, "explain_layers is %.64s: that is no list of the model's %u layers", list,
                     n_layer);
        kg_error_hint(error, "layers are 0 to %u: set explain_layers 0,3-5", n_layer - 1);
        return KG_E_INPUT;
    }
    x->n_layers = kg_layer_list_write(&x->layers, layers);
    enum kg_status status = kg_conversation_encode(c, text, &x->shown.n, &x->shown.k->arena, error);
    x->shown.tokens = c->prompt;
    x->shown.n_head = c->session.model->n_head;
    x->shown.stride = x->shown.n;
    return status == KG_OK ? kg_explained_check(x->shown.n, error) : status;
}

static enum kg_status carve_explained_text(struct explained_text *x, struct kg_error *error)
{
    struct kg_lm_session *session = &x->shown.k->lm->conversation.session;
    const struct kg_lm_model *m = session->model;
    struct kg_arena *arena = &x->shown.k->arena;
    uint64_t rows = (uint64_t)x->n_layers * m->n_head * x->shown.n;
    x->normed = kg_arena_array(arena, m->n_embd, sizeof *x->normed);
    x->logits = kg_arena_array(arena, m->n_vocab, sizeof *x->logits);
    x->maps = kg_arena_array(arena, rows * x->shown.n, sizeof *x->maps);
    session->attention = kg_arena_array(arena, (uint64_t)m->n_head * session->options.n_ctx, sizeof *x->maps);
    if (session->attention && x->maps && x->logits && x->normed) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_MEMORY, "the maps of %u layers do not fit the memory", x->n_layers);
    kg_error_hint(error, "give the machine more memory, or set explain_layers to fewer of them");
    return KG_E_MEMORY;
}

/* Computes the tokens one by one, so that the probe is told each of them. */
static enum kg_status read_explained_text(struct explained_text *x, struct kg_error *error)
{
    struct kgpt *k = x->shown.k;
    struct kg_conversation *c = &k->lm->conversation;
    enum kg_status status = KG_OK;
    c->session.probe = read_part;
    c->session.probe_context = x;
    for (uint32_t i = 0; i < x->shown.n && status == KG_OK; i++) {
        x->reads_last = i + 1 == x->shown.n;
        status = kg_lm_eval(&c->session, c->prompt + i, 1, text_is_stopped, k, error);
    }
    c->session.probe = NULL;
    return status;
}

/* The maps and the next token as text; where the screen has pixels, the maps as a picture above it, too. */
static void show_explained_text(const struct explained_text *x)
{
    const struct kg_explained *shown = &x->shown;
    struct kg_conversation *c = &shown->k->lm->conversation;
    uint32_t layers[KG_LAYER_LIST_MOST], n = kg_layer_list_write(&x->layers, layers);
    for (uint32_t i = 0; i < n; i++) {
        kg_explained_maps(shown, layers[i], x->maps + (size_t)i * shown->n_head * shown->n * shown->n);
    }
    c->sampler.allowed = NULL; /* the grammar of a reply before */
    kg_explained_next(shown, &c->sampler, c->session.logits, c->session.tokens, c->session.n_past);
    kg_explained_draw(shown, layers, n, x->maps);
}

enum kg_status kg_engine_explain(struct kgpt *k, const char *text, struct kg_error *error)
{
    struct kg_conversation *c = &k->lm->conversation;
    struct explained_text x = {.shown = {.k = k}};
    size_t used = k->arena.used;
    kg_conversation_reset(c);
    kg_lm_truncate(&c->session, 0);
    enum kg_status status = begin_explained_text(&x, (struct kg_text){text, kg_strlen(text)}, error);
    status = status == KG_OK ? carve_explained_text(&x, error) : status;
    if (status == KG_OK) {
        kg_explained_tokens(&x.shown);
        status = read_explained_text(&x, error);
    }
    if (status == KG_OK) {
        show_explained_text(&x);
    }
    c->session.attention = NULL;
    kg_arena_rewind(&k->arena, used);
    kg_conversation_reset(c);
    return status;
}
