/* A language model and one session for ctypes, in Python's memory, with numbers in place of structures. */
#include "kgpt/lm.h"

#include "kgpt/cpu.h"
#include "kgpt/mem.h"

#define MOST_PROBES 512

struct driver {
    struct kg_gguf gguf;
    struct kg_lm_model model;
    struct kg_ops base;
    struct kg_quant_ops ops;
    struct kg_lm_session session;
    const float *logits; /* of the last call of driver_eval */
    struct kg_error error;
    uint64_t taken; /* bytes of the session's arena */
    float *probed;  /* (MOST_PROBES, n_embd), if Python requested it */
    uint32_t n_probed;
    char probed_names[MOST_PROBES][16];
    uint32_t probed_layers[MOST_PROBES];
};

/* Runs workers one after the other, last one first: a dependence on another worker's share would show. */
static uint32_t n_workers = 1;

static void run_in_turn(kg_work *work, void *context)
{
    for (uint32_t i = n_workers; i-- > 0;) {
        work(context, i, n_workers);
    }
}

static const struct kg_workers workers = {run_in_turn};

enum kg_status driver_open(struct driver *d, void *file, uint64_t size, bool interleaved, void *memory, uint64_t bytes)
{
    struct kg_arena arena;
    kg_arena_init(&arena, memory, bytes);
    enum kg_status status = kg_gguf_open(&d->gguf, file, size, &arena, &d->error);
    if (status != KG_OK) {
        return status;
    }
    return kg_lm_open(&d->model, &d->gguf, interleaved, &arena, &d->error);
}

/* Sizes for Python's buffers. */
void driver_sizes(const struct driver *d, uint64_t sizes[9])
{
    const struct kg_lm_model *m = &d->model;
    const uint64_t list[9] = {m->n_vocab,   m->n_ctx_train, m->n_embd, m->n_layer,     m->n_head,
                              m->n_head_kv, m->head_dim,    m->n_ff,   m->n_parameters};
    memcpy(sizes, list, sizeof list);
}

uint64_t driver_session_size(const struct driver *d, const struct kg_lm_options *options)
{
    struct kg_lm_session session;
    struct kg_arena counted = kg_arena_counting();
    kg_lm_session_carve(&session, &d->model, &d->ops, &workers, options, &counted);
    return counted.used;
}

bool driver_options_fit(const struct driver *d, const struct kg_lm_options *options)
{
    return kg_lm_options_fit(&d->model, options);
}

void driver_session(struct driver *d, const struct kg_lm_options *options, enum kg_isa isa, void *memory,
                    uint64_t bytes)
{
    struct kg_arena arena;
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    kg_ops_fill(&d->base, cpu.features, isa);
    kg_quant_fill(&d->ops, &d->base, cpu.features, isa);
    kg_arena_init(&arena, memory, bytes);
    kg_lm_session_carve(&d->session, &d->model, &d->ops, &workers, options, &arena);
    kg_lm_session_fill(&d->session);
    d->taken = arena.used;
}

static void record(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    struct driver *d = context;
    if (d->n_probed < MOST_PROBES) {
        memcpy(d->probed + d->n_probed * n, values, n * sizeof *values);
        for (uint32_t i = 0; i < 15 && what[i]; i++) {
            d->probed_names[d->n_probed][i] = what[i];
        }
        d->probed_layers[d->n_probed++] = layer;
    }
}

void driver_probe(struct driver *d, float *probed)
{
    d->probed = probed;
    d->n_probed = 0;
    memset(d->probed_names, 0, sizeof d->probed_names);
    d->session.probe = probed ? record : NULL;
    d->session.probe_context = d;
}

uint32_t driver_probed(const struct driver *d, uint32_t i, const char **name, uint32_t *layer)
{
    *name = d->probed_names[i];
    *layer = d->probed_layers[i];
    return d->n_probed;
}

void driver_workers(uint32_t n)
{
    n_workers = n;
}

/* With `all` one pass, and logits of each token; otherwise of the last. */
enum kg_status driver_eval(struct driver *d, const uint32_t *tokens, uint32_t n, bool all)
{
    struct kg_lm_piece piece = {.session = &d->session, .tokens = tokens, .n = n, .n_logits = n, .error = &d->error};
    d->logits = d->session.logits;
    if (!all) {
        return kg_lm_eval(&d->session, tokens, n, NULL, NULL, &d->error);
    }
    kg_lm_eval_pieces(&piece, 1, NULL, NULL);
    d->logits = piece.logits;
    return piece.status;
}

enum kg_status driver_mean(struct driver *d, const uint32_t *tokens, uint32_t n, float *mean, void *memory,
                           uint64_t bytes)
{
    struct kg_arena arena;
    kg_arena_init(&arena, memory, bytes);
    return kg_lm_mean(&d->session, tokens, n, mean, &arena, &d->error);
}

const float *driver_logits(const struct driver *d)
{
    return d->logits;
}

void driver_truncate(struct driver *d, uint32_t n)
{
    kg_lm_truncate(&d->session, n);
}

void driver_shift(struct driver *d, uint32_t keep, uint32_t discard)
{
    kg_lm_shift(&d->session, keep, discard);
}

uint32_t driver_past(const struct driver *d, const uint32_t **tokens)
{
    *tokens = d->session.tokens;
    return d->session.n_past;
}

uint32_t driver_isa(const struct driver *d)
{
    return d->base.isa;
}

const char *driver_message(const struct driver *d)
{
    return d->error.message;
}

const char *driver_hint(const struct driver *d)
{
    return d->error.hint;
}

uint64_t driver_struct_size(void)
{
    return sizeof(struct driver);
}

uint64_t driver_taken(const struct driver *d)
{
    return d->taken;
}
