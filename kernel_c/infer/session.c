/* Sessions: their memory, and what changes in them besides the forward pass. See kgpt/lm.h. */
#include "kgpt/mem.h"
#include "state.h"

bool kg_lm_options_fit(const struct kg_lm_model *model, const struct kg_lm_options *options)
{
    return options->n_ctx >= 1 && options->n_ctx <= model->n_ctx_train && options->n_batch >= 1;
}

/* All that belongs to one sequence. */
static void carve_sequence(struct kg_lm_session *session, const struct kg_lm_model *model,
                           const struct kg_quant_ops *ops, const struct kg_lm_options *options, struct kg_arena *arena)
{
    struct kg_lm_kv kv = {0};
    *session = (struct kg_lm_session){.model = model, .options = *options, .moved_from = UINT32_MAX};
    session->kv = kg_arena_take(arena, sizeof *session->kv);
    session->tokens = kg_arena_array(arena, options->n_ctx, sizeof *session->tokens);
    session->logits = kg_arena_array(arena, model->n_vocab, sizeof *session->logits);
    size_t used = arena->used;
    kg_lm_kv_carve(&kv, model, ops, options, arena);
    session->kv_bytes = arena->used - used;
    if (!arena->counts) {
        *session->kv = kv;
    }
}

void kg_lm_session_carve(struct kg_lm_session *session, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                         const struct kg_workers *workers, const struct kg_lm_options *options, struct kg_arena *arena)
{
    carve_sequence(session, model, ops, options, arena);
    session->work = kg_lm_work_carve(model, ops, workers, options, arena);
}

void kg_lm_session_carve_beside(struct kg_lm_session *session, const struct kg_lm_session *other,
                                struct kg_arena *arena)
{
    struct kg_lm_work *work = other->work; /* not to be read where the arena only counts */
    carve_sequence(session, other->model, arena->counts ? NULL : work->ops, &other->options, arena);
    session->work = work;
}

void kg_lm_session_fill(struct kg_lm_session *session)
{
    kg_lm_rope_fill(&session->work->rope, session->model, session->options.n_ctx);
}

void kg_lm_truncate(struct kg_lm_session *session, uint32_t n)
{
    session->n_past = n < session->n_past ? n : session->n_past;
    session->moved_from = session->n_past <= session->moved_from ? UINT32_MAX : session->moved_from;
}

struct copy {
    struct kg_lm_session *to;
    const struct kg_lm_session *from;
    uint32_t n; /* positions */
};

static void copy_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct copy *copy = context;
    const struct kg_lm_model *m = copy->to->model;
    const struct kg_lm_kv *to = copy->to->kv, *from = copy->from->kv;
    uint64_t heads = (uint64_t)m->n_layer * m->n_head_kv, before = (uint64_t)to->base.n * to->vector;
    uint64_t size = (uint64_t)copy->n * to->vector - before;
    for (uint64_t i = heads * worker / workers; i < heads * (worker + 1) / workers; i++) {
        uint32_t layer = (uint32_t)(i / m->n_head_kv), head = (uint32_t)(i % m->n_head_kv);
        memcpy(kg_lm_kv_head(to, to->keys, layer, head) + before, kg_lm_kv_head(from, from->keys, layer, head) + before,
               size);
        memcpy(kg_lm_kv_head(to, to->values, layer, head) + before,
               kg_lm_kv_head(from, from->values, layer, head) + before, size);
    }
}

void kg_lm_copy(struct kg_lm_session *session, const struct kg_lm_session *from, uint32_t n)
{
    struct copy copy = {session, from, n};
    session->kv->base = from->kv->base; /* both read there */
    session->kv->base.n = n < from->kv->base.n ? n : from->kv->base.n;
    memcpy(session->tokens, from->tokens, n * sizeof *session->tokens);
    kg_workers_run(session->work->workers, copy_share, &copy);
    session->n_past = n;
    session->moved_from = UINT32_MAX;
}

uint32_t kg_lm_common(const struct kg_lm_session *session, const uint32_t *tokens, uint32_t n)
{
    uint32_t same = 0, most = n > 0 ? n - 1 : 0;
    most = session->n_past < most ? session->n_past : most;
    most = session->moved_from < most ? session->moved_from : most;
    while (same < most && session->tokens[same] == tokens[same]) {
        same++;
    }
    return same;
}

uint32_t kg_lm_reuse(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n)
{
    uint32_t same = kg_lm_common(session, tokens, n);
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
    const struct kg_lm_kv *kv = shift->session->kv;
    const struct kg_lm_rope *rope = &shift->session->work->rope;
    uint8_t *keys = kg_lm_kv_head(kv, kv->keys, layer, head), *values = kg_lm_kv_head(kv, kv->values, layer, head);
    uint64_t to = (uint64_t)shift->keep * kv->vector, from = to + (uint64_t)shift->discard * kv->vector;
    memmove(values + to, values + from, (uint64_t)shift->moved * kv->vector);
    memmove(keys + to, keys + from, (uint64_t)shift->moved * kv->vector);
    for (uint32_t i = 0; i < shift->moved; i++) {
        float key[KG_LM_MOST_HEAD_DIM];
        uint8_t *at = keys + to + (uint64_t)i * kv->vector;
        kg_lm_kv_load(kv, at, key);
        kg_lm_rope_apply(rope, turns, key);
        kg_lm_kv_store(kv, at, key);
    }
}

static void shift_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct shift *shift = context;
    const struct kg_lm_model *m = shift->session->model;
    const struct kg_lm_rope *rope = &shift->session->work->rope;
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
    struct kg_lm_rope *rope = &session->work->rope;
    if (session->kv->base.n > keep) {
        kg_lm_own(session);
    }
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
    kg_workers_run(session->work->workers, shift_share, &shift);
    session->n_past -= discard;
    session->moved_from = keep < session->moved_from ? keep : session->moved_from;
}
