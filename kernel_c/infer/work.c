/* The buffers of a forward pass: see state.h. */
#include "state.h"

#define ALIGN_FLOATS 16u

/* Rows of `n` values for a batch; each starts on a cache line. */
static struct kg_lm_rows carve_batch(uint64_t n, const struct kg_lm_options *options, struct kg_arena *arena)
{
    struct kg_lm_rows rows = {.stride = (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS};
    rows.data = kg_arena_array(arena, options->n_batch * rows.stride, sizeof *rows.data);
    return rows;
}

static void carve_values(struct kg_lm_work *w, const struct kg_lm_options *options, struct kg_arena *arena)
{
    const struct kg_lm_model *model = w->model;
    w->x = carve_batch(model->n_embd, options, arena);
    w->normed = carve_batch(model->n_embd, options, arena);
    w->projected = carve_batch(model->n_embd, options, arena);
    w->query = carve_batch(kg_lm_q_dim(model), options, arena);
    w->key = carve_batch(kg_lm_kv_dim(model), options, arena);
    w->value = carve_batch(kg_lm_kv_dim(model), options, arena);
    w->attended = carve_batch(kg_lm_q_dim(model), options, arena);
    w->hidden = carve_batch(model->n_ff, options, arena);
    w->gate = carve_batch(model->n_ff, options, arena);
}

static void carve_acts(struct kg_lm_work *w, const struct kg_lm_options *options, struct kg_arena *arena)
{
    const struct kg_lm_extra *extra = w->model->extra;
    for (uint32_t i = 0; i < KG_N_ACTS; i++) {
        if (extra->takes[i]) {
            w->act_stride[i] = kg_arena_cost(kg_act_size(i, extra->longest));
            w->acts[i] = kg_arena_array(arena, options->n_batch, w->act_stride[i]);
        }
    }
}

static void carve_logits(struct kg_lm_work *w, const struct kg_lm_options *options, struct kg_arena *arena)
{
    uint32_t n = options->n_logits ? options->n_logits : 1;
    w->wanted = kg_arena_array(arena, n, sizeof *w->wanted);
    if (n > 1) { /* a single row goes to its session */
        w->logits = kg_arena_array(arena, kg_arena_times(n, w->model->n_vocab), sizeof *w->logits);
    }
}

struct kg_lm_work *kg_lm_work_carve(const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                                    const struct kg_workers *workers, const struct kg_lm_options *options,
                                    struct kg_arena *arena)
{
    struct kg_lm_work made = {.model = model, .ops = ops, .workers = workers};
    struct kg_lm_work *work = kg_arena_take(arena, sizeof *work);
    made.tokens = kg_arena_array(arena, options->n_batch, sizeof *made.tokens);
    made.runs = kg_arena_array(arena, options->n_batch, sizeof *made.runs);
    kg_lm_rope_carve(&made.rope, model, options->n_batch, arena);
    carve_values(&made, options, arena);
    carve_acts(&made, options, arena);
    carve_logits(&made, options, arena);
    kg_lm_attention_carve(&made.attention, model, options, arena);
    if (!arena->counts) {
        *work = made;
    }
    return work;
}
