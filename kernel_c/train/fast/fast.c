/* The public functions of the fast trainer: see kgpt/train_fast.h. */
#include "fast.h"
#include "train/versions.h"

#define KG_NO_EPOCH UINT64_MAX
#define KG_PART 8192u          /* parameters: fewer are not worth waking a CPU */
#define KG_ROWS_MAX (1u << 24) /* positions of a chunk */

static uint32_t count_chunks(const struct kg_fast_settings *s)
{
    return s->chunks ? s->chunks : (s->batch + KG_FAST_CHUNK - 1) / KG_FAST_CHUNK;
}

enum kg_status kg_fast_check(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                             struct kg_error *error)
{
    enum kg_status status = kg_shape_check(&settings->shape, error);
    if (status == KG_OK) {
        status = kg_adam_check(&settings->adam, error);
    }
    if (status != KG_OK) {
        return status;
    }
    if (settings->batch == 0 || settings->chunks > settings->batch) {
        kg_error_set(error, KG_E_INPUT, "a batch of %u documents cannot be cut into %u chunks", settings->batch,
                     settings->chunks);
        kg_error_hint(error, "a batch has at least one document, and a chunk too");
        return KG_E_INPUT;
    }
    uint64_t documents = (settings->batch + count_chunks(settings) - 1) / count_chunks(settings);
    if (documents * settings->shape.n_ctx > KG_ROWS_MAX) {
        kg_error_set(error, KG_E_INPUT, "%lu documents of %u positions are too many for a chunk",
                     (unsigned long)documents, settings->shape.n_ctx);
        kg_error_hint(error, "choose a smaller batch or block_size");
        return KG_E_INPUT;
    }
    if (corpus->n_documents == 0 || corpus->n_vocab > settings->shape.n_vocab) {
        kg_error_set(error, KG_E_INPUT, "the corpus has %u documents and %u tokens, the model %u tokens",
                     corpus->n_documents, corpus->n_vocab, settings->shape.n_vocab);
        kg_error_hint(error, "train on documents of the model's own characters");
        return KG_E_INPUT;
    }
    return KG_OK;
}

struct kg_fast *kg_fast_carve(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                              struct kg_arena *arena)
{
    uint32_t n_chunks = count_chunks(settings);
    struct kg_fast made = {
        .settings = *settings,
        .dims = kg_fast_dims_of(&settings->shape),
        .functions = kg_fast_functions_for(settings->features & kg_isa_features(settings->highest)),
        .corpus = corpus,
        .order_epoch = KG_NO_EPOCH,
        .n_chunks = n_chunks,
        .n_memories = settings->workers > n_chunks ? settings->workers : n_chunks,
    };
    struct kg_fast *trainer = kg_arena_take(arena, sizeof *trainer);
    kg_fast_carve_parts(&made, arena);
    if (!arena->counts) {
        *trainer = made;
    }
    return trainer;
}

void kg_fast_begin(struct kg_fast *trainer)
{
    kg_fast_choose(trainer);
}

/* The first document of chunk `c`. Chunks differ by at most one document. */
static uint32_t first_of_chunk(const struct kg_fast *trainer, uint32_t c)
{
    return (uint32_t)((uint64_t)trainer->settings.batch * c / trainer->n_chunks);
}

void kg_fast_gradients(struct kg_fast *trainer, uint32_t chunk)
{
    struct kg_fast_chunk *c = &trainer->chunks[chunk];
    struct kg_fast_pass pass = {.dims = &trainer->dims, .weights = trainer->weights, .chunk = c};
    float weight = 1.0f / (float)trainer->settings.batch;
    kg_fast_rows_begin(&c->rows);
    for (uint32_t i = first_of_chunk(trainer, chunk); i < first_of_chunk(trainer, chunk + 1); i++) {
        kg_fast_rows_add(&c->rows, trainer->corpus, trainer->batch[i], trainer->dims.n_ctx, weight);
    }
    kg_fast_rows_end(&c->rows);
    trainer->functions->forward(&pass);
    trainer->functions->backward(&pass);
}

/* Exponentiation by squaring: the bits depend on x and n alone, so a resumed training computes the same rates. */
static double integer_power(double x, uint64_t n)
{
    double result = 1;
    for (; n > 0; n /= 2, x *= x) {
        result *= n % 2 ? x : 1;
    }
    return result;
}

static struct kg_fast_rates fast_rates_of(const struct kg_fast *trainer)
{
    const struct kg_adam *adam = &trainer->settings.adam;
    uint64_t step = trainer->steps_done;
    double left = step < adam->steps ? 1 - (double)step / adam->steps : 0, rate = adam->lr * left;
    return (struct kg_fast_rates){
        .beta1 = (float)adam->beta1,
        .keep1 = (float)(1 - adam->beta1),
        .beta2 = (float)adam->beta2,
        .keep2 = (float)(1 - adam->beta2),
        .rate = (float)(rate / (1 - integer_power(adam->beta1, step + 1))),
        .correction2 = (float)(1 / (1 - integer_power(adam->beta2, step + 1))),
        .eps = (float)adam->eps,
        .decay = (float)(1 - rate * adam->weight_decay),
    };
}

void kg_fast_update(struct kg_fast *trainer, uint32_t part, uint32_t parts)
{
    const uint64_t vectors = trainer->dims.n_floats / KG_FAST_LANES;
    struct kg_fast_rates rates = fast_rates_of(trainer);
    struct kg_fast_slice slice = {
        .weights = trainer->weights,
        .mean = trainer->mean,
        .square = trainer->square,
        .chunks = trainer->chunks,
        .n_chunks = trainer->n_chunks,
        .from = vectors * part / parts * KG_FAST_LANES,
        .to = vectors * (part + 1) / parts * KG_FAST_LANES,
    };
    trainer->functions->update(&slice, &rates);
}

double kg_fast_end(struct kg_fast *trainer)
{
    double loss = 0;
    for (uint32_t c = 0; c < trainer->n_chunks; c++) {
        loss += trainer->chunks[c].loss;
    }
    trainer->steps_done++;
    return loss;
}

double kg_fast_step(struct kg_fast *trainer)
{
    kg_fast_begin(trainer);
    for (uint32_t c = 0; c < trainer->n_chunks; c++) {
        kg_fast_gradients(trainer, c);
    }
    kg_fast_update(trainer, 0, 1);
    return kg_fast_end(trainer);
}

double kg_fast_eval(struct kg_fast *trainer, uint32_t chunk, const struct kg_corpus *corpus, uint32_t first,
                    uint32_t count)
{
    struct kg_fast_chunk *c = &trainer->chunks[chunk];
    struct kg_fast_pass pass = {.dims = &trainer->dims, .weights = trainer->weights, .chunk = c};
    uint32_t at_once = (trainer->settings.batch + trainer->n_chunks - 1) / trainer->n_chunks;
    double sum = 0;
    for (uint32_t done = 0; done < count;) {
        kg_fast_rows_begin(&c->rows);
        for (uint32_t i = 0; i < at_once && done < count; i++, done++) {
            kg_fast_rows_add(&c->rows, corpus, first + done, trainer->dims.n_ctx, 1.0f);
        }
        kg_fast_rows_end(&c->rows);
        trainer->functions->forward(&pass);
        sum += c->loss;
    }
    return count ? sum / count : 0;
}

bool kg_fast_take(struct kg_fast *trainer, uint32_t chunk)
{
    uint64_t *taken = &trainer->chunks[chunk].taken, step = trainer->steps_done + 1;
    return __atomic_load_n(taken, __ATOMIC_RELAXED) != step &&
           __atomic_exchange_n(taken, step, __ATOMIC_RELAXED) != step;
}

uint32_t kg_fast_parts(const struct kg_fast *trainer, uint32_t workers)
{
    uint64_t worth = trainer->dims.n_floats / KG_PART;
    return worth < 2 ? 1 : worth < workers ? (uint32_t)worth : workers;
}

uint32_t kg_fast_chunks(const struct kg_fast *trainer)
{
    return trainer->n_chunks;
}

uint64_t kg_fast_steps_done(const struct kg_fast *trainer)
{
    return trainer->steps_done;
}

enum kg_isa kg_fast_isa(const struct kg_fast *trainer)
{
    return trainer->functions->isa;
}
