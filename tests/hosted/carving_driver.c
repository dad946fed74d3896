/* Carves objects of random shapes twice, for ctypes: with a counting arena, and with an arena of exactly that size. */
#include "app/shell/lineedit.h"
#include "kgpt/format.h"
#include "kgpt/generate.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/session.h"
#include "kgpt/train_dense.h"
#include "kgpt/train_exact.h"
#include "kgpt/train_fast.h"

/* The shape of an object. */
struct shape {
    struct kg_model model;
    struct kg_shape trained;
    struct kg_corpus corpus;
    uint32_t batch, chunks, workers, room;
};

static uint32_t below(struct kg_random *random, uint32_t n)
{
    return (uint32_t)(kg_random_next(random) % n);
}

static struct shape draw_shape(struct kg_random *random)
{
    uint32_t n_head = 1 + below(random, 5), head_dim = 1 + below(random, 20), n_embd = n_head * head_dim;
    struct shape shape = {.batch = 1 + below(random, 12), .workers = below(random, 9), .room = 1 + below(random, 2000)};
    shape.chunks = below(random, shape.batch + 1);
    shape.model.n_ctx = 1 + below(random, 30);
    shape.model.n_embd = n_embd;
    shape.model.kv_dim = head_dim * (1 + below(random, n_head));
    shape.model.n_layer = 1 + below(random, 4);
    shape.model.n_ff = 1 + below(random, 100);
    shape.model.n_vocab = 2 + below(random, 120);
    shape.model.tokenizer.longest = 1 + below(random, 4);
    shape.trained = (struct kg_shape){shape.model.n_vocab, shape.model.n_ctx, n_embd, shape.model.n_layer, n_head,
                                      shape.model.n_ff};
    shape.corpus.n_documents = 1 + below(random, 1000);
    shape.corpus.n_vocab = shape.model.n_vocab;
    return shape;
}

static void carve_session(const struct shape *shape, struct kg_arena *arena)
{
    struct kg_session session;
    struct kg_generator generator;
    kg_session_carve(&session, &shape->model, NULL, arena);
    kg_generator_carve(&generator, &session, arena);
}

static void carve_sampler(const struct shape *shape, struct kg_arena *arena)
{
    struct kg_sampler sampler;
    kg_lm_sampler_carve(&sampler, shape->model.n_vocab, arena);
}

static void carve_exact(const struct shape *shape, struct kg_arena *arena)
{
    const struct kg_exact_settings settings = {.shape = shape->trained};
    kg_exact_carve(&settings, &shape->corpus, arena);
}

static void carve_fast(const struct shape *shape, struct kg_arena *arena)
{
    const struct kg_fast_settings settings = {
        .shape = shape->trained, .batch = shape->batch, .chunks = shape->chunks, .workers = shape->workers};
    kg_fast_carve(&settings, &shape->corpus, arena);
}

static void carve_dense(const struct shape *shape, struct kg_arena *arena)
{
    const struct kg_shape *t = &shape->trained;
    const struct kg_dense_settings settings = {
        .shape = {shape->room % 3, t->n_layer, t->n_head, t->n_embd, t->n_ctx, t->n_vocab, t->n_ctx % 2, t->n_embd % 2},
        .batch = shape->batch,
        .chunks = shape->chunks,
        .workers = shape->workers,
    };
    const struct kg_dense_text text = {.n = 9 * t->n_ctx, .n_train = 5 * t->n_ctx, .eval_windows = shape->batch};
    kg_dense_carve(&settings, &text, arena);
}

static void carve_lineedit(const struct shape *shape, struct kg_arena *arena)
{
    struct kg_lineedit edit;
    kg_lineedit_carve(&edit, NULL, shape->room, arena);
}

static const struct {
    const char *name;
    void (*carve)(const struct shape *shape, struct kg_arena *arena);
} objects[] = {
    {"session", carve_session}, {"sampler", carve_sampler}, {"exact", carve_exact},
    {"fast", carve_fast},       {"dense", carve_dense},     {"lineedit", carve_lineedit},
};

/* Bytes that object `object` of shape `seed` takes from `memory`, which is aligned; the counted size in *counted. */
uint64_t driver_carve(uint32_t object, uint64_t seed, void *memory, uint64_t size, uint64_t *counted)
{
    struct kg_random random;
    struct kg_arena counting = kg_arena_counting(), arena;
    kg_random_seed(&random, seed, 0);
    struct shape shape = draw_shape(&random);
    objects[object].carve(&shape, &counting);
    *counted = counting.used;
    if (counting.used > size) {
        return 0;
    }
    kg_arena_init(&arena, memory, counting.used);
    objects[object].carve(&shape, &arena);
    return arena.used;
}

const char *driver_name(uint32_t object)
{
    return object < sizeof objects / sizeof objects[0] ? objects[object].name : NULL;
}
