/* A training in double, from its memory to its steps: see kgpt/train_exact.h and train/exact.h. */
#include "exact.h"

#include "kgpt/cpu.h"
#include "kgpt/mem.h"

#define KG_INIT_DEVIATION 0.08
#define KG_MAX_ARRAYS 40

/* What a training takes from an arena: every array once, for sizing and for carving. */
struct plan {
    struct {
        void **where;
        uint64_t bytes;
    } arrays[KG_MAX_ARRAYS];
    uint32_t n;
};

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static void plan_bytes(struct plan *plan, void *where, uint64_t count, uint64_t each)
{
    plan->arrays[plan->n].where = where;
    plan->arrays[plan->n++].bytes = times(count, each);
}

static void plan_doubles(struct plan *plan, double **where, uint64_t count)
{
    plan_bytes(plan, where, count, sizeof(double));
}

static void plan_norm(struct plan *plan, struct kg_exact_norm *norm, uint64_t count)
{
    plan_doubles(plan, &norm->base, count);
    plan_doubles(plan, &norm->scale, count);
}

static void plan_layers(struct plan *plan, struct kg_exact_layer *layers, const struct kg_shape *shape)
{
    const uint64_t positions = times(shape->n_layer, shape->n_ctx), wide = times(positions, shape->n_embd);
    const uint64_t rows = times(positions, shape->n_head);
    double **const arrays[] = {&layers->middle, &layers->normed1, &layers->normed2, &layers->q,
                               &layers->k,      &layers->v,       &layers->heads};
    for (uint32_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        plan_doubles(plan, arrays[i], wide);
    }
    plan_norm(plan, &layers->norm1, positions);
    plan_norm(plan, &layers->norm2, positions);
    plan_doubles(plan, &layers->powers, times(rows, shape->n_ctx));
    plan_doubles(plan, &layers->weights, times(rows, shape->n_ctx));
    plan_doubles(plan, &layers->totals, rows);
    plan_doubles(plan, &layers->hidden, times(positions, shape->n_ff));
}

static void plan_positions(struct plan *plan, struct kg_exact *trainer, const struct kg_shape *shape)
{
    const uint64_t wide = times(shape->n_ctx, shape->n_embd);
    double **const arrays[] = {&trainer->embedded, &trainer->d_x, &trainer->d_normed, &trainer->d_q,
                               &trainer->d_k,      &trainer->d_v, &trainer->d_heads};
    for (uint32_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        plan_doubles(plan, arrays[i], wide);
    }
    plan_norm(plan, &trainer->norm0, shape->n_ctx);
    plan_doubles(plan, &trainer->stream, times(shape->n_layer + 1ull, wide));
    plan_doubles(plan, &trainer->logits, times(shape->n_ctx, shape->n_vocab));
    plan_doubles(plan, &trainer->d_logits, times(shape->n_ctx, shape->n_vocab));
    plan_doubles(plan, &trainer->totals, shape->n_ctx);
    plan_doubles(plan, &trainer->scores, shape->n_ctx);
    plan_doubles(plan, &trainer->d_hidden, times(shape->n_ctx, shape->n_ff));
    plan_doubles(plan, &trainer->cumulative, shape->n_vocab);
    plan_bytes(plan, &trainer->tokens, shape->n_ctx + 1ull, sizeof(uint32_t));
}

static struct plan plan_of(struct kg_exact *trainer, const struct kg_shape *shape, const struct kg_corpus *corpus)
{
    const uint64_t n_parameters = kg_layout_of(shape).n_parameters;
    double **const arrays[] = {&trainer->parameters, &trainer->gradients, &trainer->m, &trainer->v,
                               &trainer->transposed};
    struct plan plan = {.n = 0};
    plan_bytes(&plan, &trainer->order, corpus->n_documents, sizeof(uint32_t));
    for (uint32_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        plan_doubles(&plan, arrays[i], n_parameters);
    }
    plan_positions(&plan, trainer, shape);
    plan_layers(&plan, &trainer->layers, shape);
    return plan;
}

uint64_t kg_exact_size(const struct kg_exact_settings *settings, const struct kg_corpus *corpus)
{
    struct kg_exact nobody;
    struct plan plan = plan_of(&nobody, &settings->shape, corpus);
    uint64_t size = kg_arena_cost(sizeof nobody);
    for (uint32_t i = 0; i < plan.n; i++) {
        uint64_t cost = kg_arena_cost(plan.arrays[i].bytes);
        if (__builtin_add_overflow(size, cost, &size)) {
            return UINT64_MAX;
        }
    }
    return size;
}

static struct kg_exact *carve(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                              struct kg_arena *arena)
{
    struct kg_exact *trainer = kg_arena_take(arena, sizeof *trainer);
    struct plan plan = plan_of(trainer, &settings->shape, corpus);
    for (uint32_t i = 0; i < plan.n; i++) {
        *plan.arrays[i].where = kg_arena_take(arena, plan.arrays[i].bytes);
    }
    trainer->functions = &kg_exact_functions_c;
    trainer->settings = *settings;
    trainer->shape = settings->shape;
    trainer->layout = kg_layout_of(&settings->shape);
    trainer->corpus = corpus;
    return trainer;
}

enum kg_status kg_exact_check(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                              struct kg_error *error)
{
    enum kg_status status = kg_shape_check(&settings->shape, error);
    if (status == KG_OK) {
        status = kg_adam_check(&settings->adam, error);
    }
    if (status == KG_OK && settings->shape.n_vocab != corpus->n_vocab) {
        kg_error_set(error, KG_E_INPUT, "the model has %u tokens, the corpus %u", settings->shape.n_vocab,
                     corpus->n_vocab);
        kg_error_hint(error, "train on a corpus of the same characters");
        return KG_E_INPUT;
    }
    return status;
}

/* microgpt's order: shuffle, then wte, wpe, lm_head and the layers, row by row. */
static void draw(struct kg_exact *trainer)
{
    kg_mt19937_seed(&trainer->random, trainer->settings.seed);
    for (uint32_t i = 0; i < trainer->corpus->n_documents; i++) {
        trainer->order[i] = i;
    }
    kg_mt19937_shuffle(&trainer->random, trainer->order, trainer->corpus->n_documents);
    for (uint64_t i = 0; i < trainer->layout.n_parameters; i++) {
        trainer->parameters[i] = kg_mt19937_gauss(&trainer->random, 0, KG_INIT_DEVIATION);
    }
    kg_exact_refresh(trainer);
}

enum kg_status kg_exact_init(struct kg_exact **trainer, const struct kg_exact_settings *settings,
                             const struct kg_corpus *corpus, struct kg_arena *arena, struct kg_error *error)
{
    enum kg_status status = kg_exact_check(settings, corpus, error);
    if (status != KG_OK) {
        return status;
    }
    uint64_t needed = kg_exact_size(settings, corpus);
    if (needed > arena->size - arena->used) {
        kg_error_set(error, KG_E_MEMORY,
                     "exact training of a model of this shape needs %lu bytes of memory, %lu are free",
                     (unsigned long)needed, (unsigned long)(arena->size - arena->used));
        kg_error_hint(error, "give the machine more memory, or choose a smaller model");
        return KG_E_MEMORY;
    }
    *trainer = carve(settings, corpus, arena);
    draw(*trainer);
    return KG_OK;
}

void kg_exact_use(struct kg_exact *trainer, uint32_t features, enum kg_isa highest)
{
    bool avx2 = highest >= KG_ISA_AVX2 && (features & KG_CPU_AVX2);
    trainer->functions = avx2 ? &kg_exact_functions_avx2 : &kg_exact_functions_c;
}

struct kg_exact_layer kg_exact_layer_of(const struct kg_exact *trainer, uint32_t layer)
{
    const struct kg_shape *shape = &trainer->shape;
    const struct kg_exact_layer *first = &trainer->layers;
    const uint64_t positions = (uint64_t)layer * shape->n_ctx, wide = positions * shape->n_embd;
    const uint64_t rows = positions * shape->n_head;
    return (struct kg_exact_layer){
        .x = trainer->stream + wide,
        .middle = first->middle + wide,
        .out = trainer->stream + wide + (uint64_t)shape->n_ctx * shape->n_embd,
        .normed1 = first->normed1 + wide,
        .normed2 = first->normed2 + wide,
        .norm1 = {first->norm1.base + positions, first->norm1.scale + positions},
        .norm2 = {first->norm2.base + positions, first->norm2.scale + positions},
        .q = first->q + wide,
        .k = first->k + wide,
        .v = first->v + wide,
        .powers = first->powers + rows * shape->n_ctx,
        .weights = first->weights + rows * shape->n_ctx,
        .totals = first->totals + rows,
        .heads = first->heads + wide,
        .hidden = first->hidden + positions * shape->n_ff,
        .matrices = trainer->layout.layers + layer * trainer->layout.layer_size,
    };
}

static void transpose(const double *from, uint64_t rows, uint64_t columns, double *to)
{
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < columns; j++) {
            to[j * rows + i] = from[i * columns + j];
        }
    }
}

static void refresh_matrix(struct kg_exact *trainer, uint64_t at, uint64_t rows, uint64_t columns)
{
    transpose(trainer->parameters + at, rows, columns, trainer->transposed + at);
}

void kg_exact_refresh(struct kg_exact *trainer)
{
    const uint64_t d = trainer->shape.n_embd, n_ff = trainer->shape.n_ff;
    const struct kg_layout *layout = &trainer->layout;
    refresh_matrix(trainer, layout->lm_head, trainer->shape.n_vocab, d);
    for (uint32_t i = 0; i < trainer->shape.n_layer; i++) {
        uint64_t layer = layout->layers + i * layout->layer_size;
        refresh_matrix(trainer, layer + layout->wq, d, d);
        refresh_matrix(trainer, layer + layout->wk, d, d);
        refresh_matrix(trainer, layer + layout->wv, d, d);
        refresh_matrix(trainer, layer + layout->wo, d, d);
        refresh_matrix(trainer, layer + layout->fc1, n_ff, d);
        refresh_matrix(trainer, layer + layout->fc2, d, n_ff);
    }
}

uint32_t kg_exact_put_document(struct kg_exact *trainer, const uint32_t *document, uint32_t n)
{
    const uint32_t bos = trainer->shape.n_vocab - 1, room = trainer->shape.n_ctx;
    const uint32_t kept = n < room ? n : room;
    trainer->tokens[0] = bos;
    memcpy(trainer->tokens + 1, document, kept * sizeof *document);
    if (n < room) {
        trainer->tokens[n + 1] = bos;
    }
    return n < room ? n + 1 : room;
}

static bool is_finite(double x)
{
    return x - x == 0;
}

double kg_exact_step(struct kg_exact *trainer)
{
    const struct kg_corpus *corpus = trainer->corpus;
    const uint32_t document = trainer->order[trainer->step % corpus->n_documents];
    const uint32_t *from = corpus->tokens + corpus->start[document];
    uint32_t n = kg_exact_put_document(trainer, from, corpus->start[document + 1] - corpus->start[document]);
    double loss = kg_exact_forward_loss(trainer, n);
    if (is_finite(loss)) {
        kg_exact_backward(trainer, n);
        kg_exact_adam(trainer);
        kg_exact_refresh(trainer);
        trainer->step++;
    }
    return loss;
}

uint64_t kg_exact_steps_done(const struct kg_exact *trainer)
{
    return trainer->step;
}

double kg_exact_loss(struct kg_exact *trainer, const uint32_t *document, uint32_t n)
{
    return kg_exact_forward_loss(trainer, kg_exact_put_document(trainer, document, n));
}

const double *kg_exact_weights(const struct kg_exact *trainer)
{
    return trainer->parameters;
}

void kg_exact_export(const struct kg_exact *trainer, float *weights)
{
    for (uint64_t i = 0; i < trainer->layout.n_parameters; i++) {
        weights[i] = (float)trainer->parameters[i];
    }
}
