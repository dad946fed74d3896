/* How large everything of a training is, and where it lies. */
#include "dense.h"

static float *take_dense_floats(struct kg_arena *arena, uint64_t rows, uint64_t columns)
{
    return kg_arena_array(arena, kg_arena_times(rows, columns) + KG_DENSE_SLACK, sizeof(float));
}

static void carve_dense_layer(struct kg_dense_layer *layer, const struct kg_dense_dims *d, uint32_t windows,
                              struct kg_arena *arena)
{
    uint64_t rows = (uint64_t)windows * d->shape.n_ctx;
    layer->hat1 = take_dense_floats(arena, rows, d->s_embd);
    layer->y1 = d->gain ? take_dense_floats(arena, rows, d->s_embd) : layer->hat1;
    layer->scale1 = take_dense_floats(arena, rows, 1);
    layer->qkv = take_dense_floats(arena, rows, d->s_qkv);
    layer->p = take_dense_floats(arena, kg_arena_times(rows, d->shape.n_head), d->s_ctx);
    layer->attended = take_dense_floats(arena, rows, d->s_embd);
    layer->hat2 = take_dense_floats(arena, rows, d->s_embd);
    layer->y2 = d->gain ? take_dense_floats(arena, rows, d->s_embd) : layer->hat2;
    layer->scale2 = take_dense_floats(arena, rows, 1);
    layer->up = take_dense_floats(arena, rows, d->s_up);
    layer->act = take_dense_floats(arena, rows, d->s_ff);
}

static uint32_t larger_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void carve_dense_memory(struct kg_dense_memory *m, const struct kg_dense_dims *d, uint32_t windows,
                               struct kg_arena *arena)
{
    uint64_t rows = (uint64_t)windows * d->shape.n_ctx;
    uint32_t widest = larger_of(larger_of(d->n_ff, d->shape.n_ctx), d->shape.n_embd) + KG_DENSE_PANEL;
    m->layers = kg_arena_array(arena, d->shape.n_layer, sizeof *m->layers);
    for (uint32_t i = 0; i < d->shape.n_layer && arena->used != SIZE_MAX; i++) {
        struct kg_dense_layer counted;
        carve_dense_layer(arena->counts ? &counted : &m->layers[i], d, windows, arena);
    }
    m->x = take_dense_floats(arena, rows, d->s_embd);
    m->hat0 = d->embedding_norm ? take_dense_floats(arena, rows, d->s_embd) : NULL;
    m->scale0 = take_dense_floats(arena, rows, 1);
    m->hat = take_dense_floats(arena, rows, d->s_embd);
    m->y = d->gain ? take_dense_floats(arena, rows, d->s_embd) : m->hat;
    m->scale = take_dense_floats(arena, rows, 1);
    m->logits = take_dense_floats(arena, rows, d->s_vocab);
    m->rows1 = take_dense_floats(arena, rows, d->s_embd);
    m->rows2 = take_dense_floats(arena, rows, d->s_embd);
    m->d_qkv = take_dense_floats(arena, rows, d->s_qkv);
    m->d_up = take_dense_floats(arena, rows, d->s_up);
    m->d_act = take_dense_floats(arena, rows, d->s_ff);
    m->d_p = take_dense_floats(arena, d->shape.n_ctx, d->s_ctx);
    m->dropped = take_dense_floats(arena, d->shape.n_ctx, d->s_ctx);
    m->panels = take_dense_floats(arena, larger_of((uint32_t)rows, d->head_dim), widest);
    m->narrow = take_dense_floats(arena, KG_DENSE_DEEP, 16);
    m->tokens = kg_arena_array(arena, rows, sizeof *m->tokens);
    m->targets = kg_arena_array(arena, rows, sizeof *m->targets);
    m->begins = kg_arena_array(arena, windows, sizeof *m->begins);
}

void kg_dense_carve_parts(struct kg_dense *trainer, struct kg_arena *arena)
{
    const struct kg_dense_dims *d = &trainer->dims;
    trainer->weights = take_dense_floats(arena, d->n_floats, 1);
    trainer->mean = take_dense_floats(arena, d->n_floats, 1);
    trainer->square = take_dense_floats(arena, d->n_floats, 1);
    trainer->packed = take_dense_floats(arena, d->n_packed, 1);
    trainer->turns = take_dense_floats(arena, d->rope ? d->shape.n_ctx : 0, d->head_dim);
    trainer->squares = kg_arena_array(arena, trainer->n_blocks, sizeof *trainer->squares);
    trainer->losses = kg_arena_array(arena, trainer->n_chunks, sizeof *trainer->losses);
    trainer->sites = kg_arena_array(arena, 3 * (uint64_t)d->shape.n_layer + 1, sizeof *trainer->sites);
    trainer->begins = kg_arena_array(arena, trainer->settings.batch, sizeof *trainer->begins);
    trainer->eval_begins = kg_arena_array(arena, trainer->n_eval, sizeof *trainer->eval_begins);
    trainer->eval_losses = kg_arena_array(arena, trainer->n_eval_blocks, sizeof *trainer->eval_losses);
    trainer->gradients = kg_arena_array(arena, trainer->n_chunks, sizeof *trainer->gradients);
    for (uint32_t i = 0; i < trainer->n_chunks && arena->used != SIZE_MAX; i++) {
        float *gradients = take_dense_floats(arena, d->n_floats, 1);
        if (!arena->counts && arena->used != SIZE_MAX) {
            trainer->gradients[i] = gradients;
        }
    }
    trainer->memories = kg_arena_array(arena, trainer->n_memories, sizeof *trainer->memories);
    for (uint32_t i = 0; i < trainer->n_memories && arena->used != SIZE_MAX; i++) {
        struct kg_dense_memory counted;
        carve_dense_memory(arena->counts ? &counted : &trainer->memories[i], d, trainer->group, arena);
    }
}
