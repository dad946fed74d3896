/* The shell's `explain`: how the model reads a text, on the console. The tokens; for each layer the likeliest next
 * tokens if the model ended there; how much each token looks at those before it; and the draw of the next token. */
#include "explain.h"

#include "app/events/print.h"
#include "app/run/request.h"

#include "kgpt/format.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define MOST_TOKENS 32u /* of a text: the columns of a map */
#define LABEL 10        /* bytes of a token beside a row */
#define WIDTH 78u       /* of the maps beside each other */
#define LENS 3u         /* of a line of 80 columns */
#define NEXT 8u
#define BAR 30.0f

struct explained_text {
    struct kgpt *k;
    struct kg_layer_list layers; /* whose maps are shown */
    uint32_t n_layers;
    uint32_t n;  /* tokens */
    float *maps; /* (n_layers, n_head, n, n) */
    float *normed, *logits;
    bool reads_last; /* the pass of the last token */
};

/* The token in LABEL columns. */
static void format_label(const struct kg_conversation *c, uint32_t token, char label[LABEL + 1])
{
    size_t n = kg_vocab_piece(&c->loaded->vocab, token, c->piece, true);
    for (size_t i = 0; i < LABEL; i++) {
        char byte = i < n ? c->piece[i] : ' ';
        label[i] = byte < ' ' || byte > '~' ? '.' : byte;
    }
    label[LABEL] = '\0';
}

static void show_tokens(const struct explained_text *x)
{
    const struct kg_conversation *c = &x->k->lm->conversation;
    char label[LABEL + 1];
    kg_print("tokens\n");
    for (uint32_t i = 0; i < x->n; i++) {
        format_label(c, c->prompt[i], label);
        kg_print("  %s %u\n", label, c->prompt[i]);
    }
}

static void show_lens(const struct explained_text *x, uint32_t layer, const float *stream, size_t n)
{
    struct kg_conversation *c = &x->k->lm->conversation;
    struct kg_logprob top[LENS];
    char label[LABEL + 1];
    uint32_t n_top = c->sampler.n_vocab < LENS ? c->sampler.n_vocab : LENS;
    kg_lm_lens(&c->session, stream, x->normed, x->logits);
    kg_lm_logprobs(&c->sampler, x->logits, top, n_top);
    kg_print("  layer %-3u length %8.2f  ", layer, (double)kg_sqrtf(x->k->ops.dot(stream, stream, n)));
    for (uint32_t i = 0; i < n_top; i++) {
        format_label(c, top[i].id, label);
        kg_print(" %s%3.0f %%", label, (double)(100 * kg_expf(top[i].ln_p)));
    }
    kg_print("\n");
}

/* Weights of the token in the pass, into its row of each head's map. */
static void keep_map_rows(const struct explained_text *x, uint32_t layer)
{
    const struct kg_lm_session *session = &x->k->lm->conversation.session;
    uint32_t place = 0, n_head = session->model->n_head, row = session->n_past;
    for (uint32_t i = 0; i < layer; i++) {
        place += kg_layer_list_has(&x->layers, i);
    }
    for (uint32_t head = 0; head < n_head; head++) {
        float *to = x->maps + (((size_t)place * n_head + head) * x->n + row) * x->n;
        memcpy(to, session->attention + (size_t)head * session->options.n_ctx, x->n * sizeof *to);
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

static const char *shade_of(float weight)
{
    return weight >= 0.875f ? "█" : weight >= 0.625f ? "▓" : weight >= 0.375f ? "▒" : weight >= 0.125f ? "░" : "·";
}

static void show_map_row(const struct explained_text *x, const float *map, uint32_t row)
{
    for (uint32_t i = 0; i < x->n; i++) {
        kg_print("%s", i <= row ? shade_of(map[(size_t)row * x->n + i]) : " ");
    }
    kg_print("  ");
}

/* Maps of as many heads as a line holds, beside each other. */
static void show_maps(const struct explained_text *x, uint32_t layer, const float *maps)
{
    const struct kg_conversation *c = &x->k->lm->conversation;
    uint32_t n_head = c->session.model->n_head, beside = (WIDTH - LABEL - 2) / (x->n + 2), width = x->n;
    char label[LABEL + 1];
    beside = beside ? beside : 1;
    kg_print("attention of layer %u: row looks at column (█ all, ▓ 3/4, ▒ 1/2, ░ 1/4, · less)\n", layer);
    for (uint32_t first = 0; first < n_head; first += beside) {
        uint32_t end = first + beside < n_head ? first + beside : n_head;
        kg_print("  %*s", LABEL, "head");
        for (uint32_t head = first; head < end; head++) {
            kg_print(" %-*u ", (int)width, head);
        }
        kg_print("\n");
        for (uint32_t row = 0; row < x->n; row++) {
            format_label(c, c->prompt[row], label);
            kg_print("  %s ", label);
            for (uint32_t head = first; head < end; head++) {
                show_map_row(x, maps + (size_t)head * x->n * x->n, row);
            }
            kg_print("\n");
        }
    }
}

static void show_next(const struct explained_text *x)
{
    struct kg_conversation *c = &x->k->lm->conversation;
    const struct kg_sampling *sampling = &x->k->config.sampling;
    const struct kg_candidate *candidates = c->sampler.candidates;
    char label[LABEL + 1];
    float sum;
    c->sampler.allowed = NULL; /* the grammar of a reply before */
    uint32_t n =
        kg_candidates_choose(&c->sampler, sampling, c->session.logits, c->session.tokens, c->session.n_past, &sum);
    kg_print("next token: drawn from %'u of %'u\n", n, c->sampler.n_vocab);
    for (uint32_t i = 0; i < n && i < NEXT; i++) {
        float p = candidates[i].weight / sum;
        format_label(c, candidates[i].id, label);
        kg_print("  %s %5.1f %% ", label, (double)(100 * p));
        for (float at = 0.5f; at < p * BAR; at++) {
            kg_print("█");
        }
        kg_print("\n");
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
    struct kg_conversation *c = &x->k->lm->conversation;
    const char *list = x->k->config.lm.explain_layers;
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
    enum kg_status status = kg_conversation_encode(c, text, &x->n, &x->k->arena, error);
    if (status == KG_OK && x->n > MOST_TOKENS) {
        kg_error_set(error, KG_E_INPUT, "the text has %u tokens, and explain shows %u", x->n, MOST_TOKENS);
        kg_error_hint(error, "give a shorter text; kgpt explain on a host shows longer ones");
        status = KG_E_INPUT;
    }
    return status;
}

static enum kg_status carve_explained_text(struct explained_text *x, struct kg_error *error)
{
    struct kg_lm_session *session = &x->k->lm->conversation.session;
    const struct kg_lm_model *m = session->model;
    struct kg_arena *arena = &x->k->arena;
    uint64_t rows = (uint64_t)x->n_layers * m->n_head * x->n;
    x->normed = kg_arena_array(arena, m->n_embd, sizeof *x->normed);
    x->logits = kg_arena_array(arena, m->n_vocab, sizeof *x->logits);
    x->maps = kg_arena_array(arena, rows * x->n, sizeof *x->maps);
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
    struct kg_conversation *c = &x->k->lm->conversation;
    enum kg_status status = KG_OK;
    c->session.probe = read_part;
    c->session.probe_context = x;
    kg_print("if the model ended after a layer, behind the last token\n");
    for (uint32_t i = 0; i < x->n && status == KG_OK; i++) {
        x->reads_last = i + 1 == x->n;
        status = kg_lm_eval(&c->session, c->prompt + i, 1, text_is_stopped, x->k, error);
    }
    c->session.probe = NULL;
    return status;
}

enum kg_status kg_lm_explain_text(struct kgpt *k, struct kg_text text, struct kg_error *error)
{
    struct kg_conversation *c = &k->lm->conversation;
    struct explained_text x = {.k = k};
    size_t used = k->arena.used, map = 0;
    kg_conversation_reset(c);
    kg_lm_truncate(&c->session, 0);
    enum kg_status status = begin_explained_text(&x, text, error);
    status = status == KG_OK ? carve_explained_text(&x, error) : status;
    if (status == KG_OK) {
        show_tokens(&x);
        status = read_explained_text(&x, error);
    }
    for (uint32_t i = 0; i < c->session.model->n_layer && status == KG_OK; i++) {
        if (kg_layer_list_has(&x.layers, i)) {
            show_maps(&x, i, x.maps + map);
            map += (size_t)c->session.model->n_head * x.n * x.n;
        }
    }
    if (status == KG_OK) {
        show_next(&x);
    }
    c->session.attention = NULL;
    kg_arena_rewind(&k->arena, used);
    kg_conversation_reset(c);
    return status;
}
