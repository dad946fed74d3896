/* The memory of one document: carved and reset here; forward.c computes in it. */
#include "kgpt/session.h"

static float *take_floats(struct kg_arena *arena, size_t n)
{
    return kg_arena_array(arena, n, sizeof(float));
}

void kg_session_carve(struct kg_session *session, const struct kg_model *model, const struct kg_ops *ops,
                      struct kg_arena *arena)
{
    const size_t used = arena->used, kv = kg_arena_times((size_t)model->n_ctx * model->kv_dim, model->n_layer);
    *session = (struct kg_session){.model = model, .ops = ops};
    session->keys = take_floats(arena, kv);
    session->values = take_floats(arena, kv);
    session->kv_bytes = arena->used - used;
    session->x = take_floats(arena, model->n_embd);
    session->normed = take_floats(arena, model->n_embd);
    session->query = take_floats(arena, model->n_embd);
    session->attention = take_floats(arena, model->n_embd);
    session->projected = take_floats(arena, model->n_embd);
    session->hidden = take_floats(arena, model->n_ff);
    session->scores = take_floats(arena, model->n_ctx);
    session->logits = take_floats(arena, model->n_vocab);
}

void kg_session_reset(struct kg_session *session)
{
    session->pos = 0;
}
