/* Training in double precision: memory, first weights, steps. See kgpt/train_exact.h and train/exact/exact.h. */
#include "exact.h"

#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "train/versions.h"

#define KG_INIT_DEVIATION 0.08

static double *take_doubles(struct kg_arena *arena, uint64_t n)
{
    return kg_arena_array(arena, n, sizeof(double));
}

static void carve_norm(struct kg_exact_norm *norm, uint64_t n, struct kg_arena *arena)
{
    norm->base = take_doubles(arena, n);
    norm->scale = take_doubles(arena, n);
}

/* Carves each of `vectors` with `n` numbers. */
static void carve_vectors(double **const *vectors, uint32_t n_vectors, uint64_t n, struct kg_arena *arena)
{
    for (uint32_t i = 0; i < n_vectors; i++) {
        *vectors[i] = take_doubles(arena, n);
    }
}

static void carve_exact_layers(struct kg_exact_layer *layers, const struct kg_shape *shape, struct kg_arena *arena)
{
    const uint64_t positions = (uint64_t)shape->n_layer * shape->n_ctx;
    const uint64_t rows = kg_arena_times(positions, shape->n_head), scores = kg_arena_times(rows, shape->n_ctx);
    double **const wide[] = {&layers->middle, &layers->normed1, &layers->normed2, &layers->q,
                             &layers->k,      &layers->v,       &layers->heads};
    carve_vectors(wide, sizeof wide / sizeof wide[0], kg_arena_times(positions, shape->n_embd), arena);
    carve_norm(&layers->norm1, positions, arena);
    carve_norm(&layers->norm2, positions, arena);
    layers->powers = take_doubles(arena, scores);
    layers->weights = take_doubles(arena, scores);
    layers->totals = take_doubles(arena, rows);
    layers->hidden = take_doubles(arena, kg_arena_times(positions, shape->n_ff));
}

static void carve_positions(struct kg_exact *trainer, const struct kg_shape *shape, struct kg_arena *arena)
{
    const uint64_t n_ctx = shape->n_ctx, wide = n_ctx * shape->n_embd;
    double **const vectors[] = {&trainer->embedded, &trainer->d_x, &trainer->d_normed, &trainer->d_q,
                                &trainer->d_k,      &trainer->d_v, &trainer->d_heads};
    carve_vectors(vectors, sizeof vectors / sizeof vectors[0], wide, arena);
    carve_norm(&trainer->norm0, n_ctx, arena);
    trainer->stream = take_doubles(arena, kg_arena_times(shape->n_layer + 1ull, wide));
    trainer->logits = take_doubles(arena, n_ctx * shape->n_vocab);
    trainer->d_logits = take_doubles(arena, n_ctx * shape->n_vocab);
    trainer->totals = take_doubles(arena, n_ctx);
    trainer->scores = take_doubles(arena, n_ctx);
    trainer->d_hidden = take_doubles(arena, n_ctx * shape->n_ff);
    trainer->cumulative = take_doubles(arena, shape->n_vocab);
    trainer->tokens = kg_arena_array(arena, n_ctx + 1, sizeof *trainer->tokens);
}

struct kg_exact *kg_exact_carve(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                                struct kg_arena *arena)
{
    struct kg_exact made = {
        .settings = *settings,
        .shape = settings->shape,
        .layout = kg_layout_of(&settings->shape),
        .corpus = corpus,
        .functions = &kg_exact_functions_c,
    };
    struct kg_exact *trainer = kg_arena_take(arena, sizeof *trainer);
    double **const parameters[] = {&made.parameters, &made.gradients, &made.m, &made.v, &made.transposed};
    made.order = kg_arena_array(arena, corpus->n_documents, sizeof *made.order);
    carve_vectors(parameters, sizeof parameters / sizeof parameters[0], made.layout.n_parameters, arena);
    carve_positions(&made, &settings->shape, arena);
    carve_exact_layers(&made.layers, &settings->shape, arena);
    if (!arena->counts) {
        *trainer = made;
    }
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
void kg_exact_draw(struct kg_exact *trainer)
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

void kg_exact_use(struct kg_exact *trainer, uint32_t features, enum kg_isa allowed)
{
    trainer->functions = kg_exact_functions_for(features & kg_isa_features(allowed));
}

static void transpose_matrix(const double *from, uint64_t rows, uint64_t columns, double *to)
{
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < columns; j++) {
            to[j * rows + i] = from[i * columns + j];
        }
    }
}

static void refresh_matrix(struct kg_exact *trainer, uint64_t at, uint64_t rows, uint64_t columns)
{
    transpose_matrix(trainer->parameters + at, rows, columns, trainer->transposed + at);
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

double kg_exact_step(struct kg_exact *trainer)
{
    const struct kg_corpus *corpus = trainer->corpus;
    const uint32_t document = trainer->order[trainer->step % corpus->n_documents];
    const uint32_t *from = corpus->tokens + corpus->start[document];
    uint32_t n = kg_exact_put_document(trainer, from, corpus->start[document + 1] - corpus->start[document]);
    double loss = kg_exact_forward_loss(trainer, n);
    if (kg_is_finite(loss)) {
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
