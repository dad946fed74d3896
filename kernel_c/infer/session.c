/* Sessions: their memory, and what changes in them besides the forward pass. See kgpt/lm.h. */
#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "state.h"

#define ALIGN_FLOATS 16u

bool kg_lm_options_fit(const struct kg_lm_model *model, const struct kg_lm_options *options)
{
    return options->n_ctx >= 1 && options->n_ctx <= model->n_ctx_train && options->n_batch >= 1;
}

static uint32_t slots_of(const struct kg_lm_model *model, const struct kg_lm_options *options)
{
    uint64_t most = (uint64_t)model->n_head * options->n_batch;
    return most < KG_LM_MOST_SLOTS_AT_ONCE ? (uint32_t)most : KG_LM_MOST_SLOTS_AT_ONCE;
}

/* Rows of `n` values for a batch; each starts on a cache line. */
static struct kg_lm_rows carve_batch(uint64_t n, const struct kg_lm_options *options, struct kg_arena *arena)
{
    struct kg_lm_rows rows = {.stride = (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS};
    rows.data = kg_arena_array(arena, options->n_batch * rows.stride, sizeof *rows.data);
    return rows;
}

/* What the forward pass works in, without positions and cache. */
static void carve_pass(struct kg_lm_state *s, const struct kg_lm_model *model, const struct kg_lm_options *options,
                       struct kg_arena *arena)
{
    s->x = carve_batch(model->n_embd, options, arena);
    s->normed = carve_batch(model->n_embd, options, arena);
    s->projected = carve_batch(model->n_embd, options, arena);
    s->query = carve_batch(kg_lm_q_dim(model), options, arena);
    s->key = carve_batch(kg_lm_kv_dim(model), options, arena);
    s->value = carve_batch(kg_lm_kv_dim(model), options, arena);
    s->attended = carve_batch(kg_lm_q_dim(model), options, arena);
    s->hidden = carve_batch(model->n_ff, options, arena);
    s->gate = carve_batch(model->n_ff, options, arena);
    for (uint32_t i = 0; i < KG_N_ACTS; i++) {
        if (model->extra->takes[i]) {
            s->act_stride[i] = kg_arena_cost(kg_act_size(i, model->extra->longest));
            s->acts[i] = kg_arena_array(arena, options->n_batch, s->act_stride[i]);
        }
    }
    s->slots = slots_of(model, options);
    s->scores = kg_arena_array(arena, (uint64_t)s->slots * options->n_ctx, sizeof *s->scores);
}

void kg_lm_session_carve(struct kg_lm_session *session, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                         const struct kg_workers *workers, const struct kg_lm_options *options, struct kg_arena *arena)
{
    struct kg_lm_state made = {0};
    *session = (struct kg_lm_session){
        .model = model, .ops = ops, .workers = workers, .options = *options, .moved_from = UINT32_MAX};
    session->state = kg_arena_take(arena, sizeof *session->state);
    session->tokens = kg_arena_array(arena, options->n_ctx, sizeof *session->tokens);
    uint64_t rows_of_logits = options->all_logits ? options->n_batch : 1;
    session->logits = kg_arena_array(arena, model->n_vocab * rows_of_logits, sizeof *session->logits);
    kg_lm_rope_carve(&made.rope, model, options->n_batch, arena);
    size_t used = arena->used;
    kg_lm_kv_carve(&made.kv, model, ops, options, arena);
    session->kv_bytes = arena->used - used;
    carve_pass(&made, model, options, arena);
    if (!arena->counts) {
        *session->state = made;
    }
}

void kg_lm_session_fill(struct kg_lm_session *session)
{
    kg_lm_rope_fill(&session->state->rope, session->model, session->options.n_ctx);
}

static enum kg_status check_tokens(const struct kg_lm_session *session, const uint32_t *tokens, uint32_t n,
                                   struct kg_error *error)
{
    uint32_t n_ctx = session->options.n_ctx, n_vocab = session->model->n_vocab;
    if (n > n_ctx - session->n_past) {
        return kg_error_set(error, KG_E_CONTEXT, "no room for %u token%s behind %u of a context of %u", n, kg_plural(n),
                            session->n_past, n_ctx);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (tokens[i] >= n_vocab) {
            return kg_error_set(error, KG_E_INPUT, "%u is not one of the %u tokens of the model", tokens[i], n_vocab);
        }
    }
    return KG_OK;
}

/* The first step of a forward pass whose result is no number. */
struct fault {
    const char *what; /* of kg_lm_session.probe; NULL: not found yet */
    uint32_t layer;
};

static void find_fault(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    struct fault *fault = context;
    if (!fault->what && !kg_all_finite(values, n)) {
        *fault = (struct fault){what, layer};
    }
}

/* Computes the last n tokens again and looks at each layer. Only a failing run pays for that. */
static enum kg_status explain_fault(struct kg_lm_session *session, uint32_t n, struct kg_error *error)
{
    struct fault fault = {0};
    struct kg_lm_session again = *session;
    again.n_past -= n;
    again.probe = find_fault;
    again.probe_context = &fault;
    kg_lm_forward(&again, n, true, NULL, NULL);
    char what = fault.what ? fault.what[0] : 'o';
    if (what == 'a' || what == 'f') {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite after layer %u, %s", fault.layer,
                     what == 'a' ? "attention" : "feed-forward");
    } else if (what == 'e') {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite: the embedding of token %u is not",
                     session->tokens[session->n_past - 1]);
    } else {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite after layer %u, %s", session->model->n_layer - 1,
                     what == 'n' ? "the final norm" : "the output's matrix");
    }
    kg_error_hint(error, "the model's weights are damaged or too large: kgpt build MODEL names the tensor; %s",
                  session->options.kv == KG_KV_F32 ? "get the file again" : "get the file again, or try kv=f32");
    return KG_E_NUMBERS;
}

/* The logits of the last token, after a batch of n. */
static bool logits_are_finite(const struct kg_lm_session *session, uint32_t n)
{
    size_t n_vocab = session->model->n_vocab, skipped = session->options.all_logits ? n - 1 : 0;
    return kg_all_finite(session->logits + skipped * n_vocab, n_vocab);
}

enum kg_status kg_lm_eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, bool (*stopped)(void *),
                          void *context, struct kg_error *error)
{
    enum kg_status status = check_tokens(session, tokens, n, error);
    for (uint32_t done = 0, batch; done < n && status == KG_OK; done += batch) {
        batch = n - done < session->options.n_batch ? n - done : session->options.n_batch;
        memmove(session->tokens + session->n_past, tokens + done, batch * sizeof *tokens);
        if (!kg_lm_forward(session, batch, session->options.all_logits || done + batch == n, stopped, context)) {
            return kg_error_set(error, KG_E_STOPPED, "stopped after %u of %u token%s", done, n, kg_plural(n));
        }
        if ((session->options.all_logits || done + batch == n) && !logits_are_finite(session, batch)) {
            status = explain_fault(session, batch, error);
            session->n_past -= batch;
        }
    }
    return status;
}

void kg_lm_truncate(struct kg_lm_session *session, uint32_t n)
{
    session->n_past = n < session->n_past ? n : session->n_past;
    session->moved_from = session->n_past <= session->moved_from ? UINT32_MAX : session->moved_from;
}

uint32_t kg_lm_reuse(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n)
{
    uint32_t same = 0, most = n > 0 ? n - 1 : 0;
    most = session->n_past < most ? session->n_past : most;
    most = session->moved_from < most ? session->moved_from : most;
    while (same < most && session->tokens[same] == tokens[same]) {
        same++;
    }
    kg_lm_truncate(session, same);
    return same;
}

struct shift {
    struct kg_lm_session *session;
    uint32_t keep, discard, moved; /* positions */
};

/* One head of one layer: positions behind the gap move to its start, and their keys are rotated back by its length. */
static void shift_head(const struct shift *shift, uint32_t layer, uint32_t head, const float *turns)
{
    const struct kg_lm_state *s = shift->session->state;
    const struct kg_lm_kv *kv = &s->kv;
    uint8_t *keys = kg_lm_kv_head(kv, kv->keys, layer, head), *values = kg_lm_kv_head(kv, kv->values, layer, head);
    uint64_t to = (uint64_t)shift->keep * kv->vector, from = to + (uint64_t)shift->discard * kv->vector;
    memmove(values + to, values + from, (uint64_t)shift->moved * kv->vector);
    memmove(keys + to, keys + from, (uint64_t)shift->moved * kv->vector);
    for (uint32_t i = 0; i < shift->moved; i++) {
        float key[KG_LM_MOST_HEAD_DIM];
        uint8_t *at = keys + to + (uint64_t)i * kv->vector;
        kg_lm_kv_load(kv, at, key);
        kg_lm_rope_apply(&s->rope, turns, key);
        kg_lm_kv_store(kv, at, key);
    }
}

static void shift_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct shift *shift = context;
    const struct kg_lm_model *m = shift->session->model;
    const struct kg_lm_rope *rope = &shift->session->state->rope;
    uint64_t heads = (uint64_t)m->n_layer * m->n_head_kv;
    for (uint64_t i = heads * worker / workers; i < heads * (worker + 1) / workers; i++) {
        uint32_t layer = (uint32_t)(i / m->n_head_kv);
        shift_head(shift, layer, (uint32_t)(i % m->n_head_kv), rope->turns[kg_lm_rope_of(m, &m->layers[layer])]);
    }
}

void kg_lm_shift(struct kg_lm_session *session, uint32_t keep, uint32_t discard)
{
    if (keep >= session->n_past || !discard) {
        return;
    }
    discard = discard < session->n_past - keep ? discard : session->n_past - keep;
    struct shift shift = {session, keep, discard, session->n_past - keep - discard};
    uint32_t *tokens = session->tokens + keep;
    struct kg_lm_rope *rope = &session->state->rope;
    memmove(tokens, tokens + discard, shift.moved * sizeof *tokens);
    if (!rope->pairs) {
        struct kg_error impossible; /* they are tokens, and there is room */
        session->n_past = keep;
        kg_lm_eval(session, tokens, shift.moved, NULL, NULL, &impossible);
        return;
    }
    for (uint32_t i = 0; i < KG_LM_N_TURNS; i++) {
        kg_lm_rope_turn(rope, i, -(int64_t)discard, 1.0, rope->turns[i]);
    }
    kg_workers_run(session->workers, shift_share, &shift);
    session->n_past -= discard;
    session->moved_from = keep < session->moved_from ? keep : session->moved_from;
}
