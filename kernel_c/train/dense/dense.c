/* The public functions of the trainer on a running text: see kgpt/train_dense.h. */
#include "dense.h"
#include "kgpt/mem.h"
#include "train/versions.h"

#define KG_CHUNKS_MOST 8u /* unless settings say otherwise */

static uint32_t lesser_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t kg_dense_chunks_of(const struct kg_dense_settings *settings)
{
    return settings->chunks ? settings->chunks : lesser_of(settings->batch, KG_CHUNKS_MOST);
}

/* Windows that are computed together: rows for the products, at most those of a chunk. */
static uint32_t windows_of_group(const struct kg_dense_settings *s)
{
    uint32_t chunks = kg_dense_chunks_of(s), longest = (s->batch + chunks - 1) / chunks;
    uint32_t fit = KG_DENSE_ROWS / s->shape.n_ctx;
    return lesser_of(fit ? fit : 1, longest);
}

struct kg_dense *kg_dense_carve(const struct kg_dense_settings *settings, const struct kg_dense_text *text,
                                struct kg_arena *arena)
{
    struct kg_dense made = {
        .settings = *settings,
        .text = *text,
        .dims = kg_dense_dims_of(&settings->shape),
        .functions = kg_dense_functions_for(settings->features & kg_isa_features(settings->highest)),
        .n_chunks = kg_dense_chunks_of(settings),
        .n_memories = settings->workers ? settings->workers : 1,
        .group = windows_of_group(settings),
        .n_eval = kg_dense_eval_count(text, settings->shape.n_ctx),
    };
    made.n_blocks = (uint32_t)((made.dims.n_floats + KG_DENSE_BLOCK - 1) / KG_DENSE_BLOCK);
    made.n_eval_blocks = (made.n_eval + made.group - 1) / made.group;
    struct kg_dense *trainer = kg_arena_take(arena, sizeof *trainer);
    kg_dense_carve_parts(&made, arena);
    if (!arena->counts && arena->used != SIZE_MAX) {
        *trainer = made;
    }
    return trainer;
}

void kg_dense_begin(struct kg_dense *trainer)
{
    kg_dense_choose(trainer);
    __atomic_store_n(&trainer->next_chunk, 0, __ATOMIC_RELAXED);
}

static bool take_next(uint32_t *next, uint32_t n, uint32_t *taken)
{
    *taken = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
    return *taken < n;
}

bool kg_dense_take(struct kg_dense *trainer, uint32_t *chunk)
{
    return take_next(&trainer->next_chunk, trainer->n_chunks, chunk);
}

static struct kg_dense_pass pass_of(struct kg_dense *trainer, uint32_t worker)
{
    return (struct kg_dense_pass){.dims = &trainer->dims,
                                  .weights = trainer->weights,
                                  .packed = trainer->packed,
                                  .turns = trainer->turns,
                                  .memory = &trainer->memories[worker]};
}

/* The tokens of the pass's windows, which begin at `begins`, and the tokens behind each. */
static void read_windows(const struct kg_dense *trainer, const struct kg_dense_pass *pass, const uint32_t *begins)
{
    const uint32_t n = trainer->dims.shape.n_ctx;
    for (uint32_t i = 0; i < pass->windows; i++) {
        const uint32_t *from = trainer->text.tokens + begins[i];
        memcpy(pass->memory->tokens + (size_t)i * n, from, n * sizeof *from);
        memcpy(pass->memory->targets + (size_t)i * n, from + 1, n * sizeof *from);
    }
}

/* The first window of chunk `c`. Chunks differ by at most one window. */
static uint32_t first_window(const struct kg_dense *trainer, uint32_t c)
{
    return (uint32_t)((uint64_t)trainer->settings.batch * c / trainer->n_chunks);
}

void kg_dense_gradients(struct kg_dense *trainer, uint32_t chunk, uint32_t worker)
{
    struct kg_dense_pass pass = pass_of(trainer, worker);
    uint32_t end = first_window(trainer, chunk + 1);
    double loss = 0;
    pass.gradients = trainer->gradients[chunk];
    pass.sites = trainer->settings.dropout > 0 ? trainer->sites : NULL;
    pass.weight = 1.0f / ((float)trainer->settings.batch * (float)trainer->dims.shape.n_ctx);
    memset(pass.gradients, 0, trainer->dims.n_floats * sizeof(float));
    for (pass.first = first_window(trainer, chunk); pass.first < end; pass.first += pass.windows) {
        pass.windows = lesser_of(trainer->group, end - pass.first);
        read_windows(trainer, &pass, trainer->begins + pass.first);
        trainer->functions->forward(&pass);
        trainer->functions->backward(&pass);
        loss += pass.memory->loss;
    }
    trainer->losses[chunk] = loss;
}

double kg_dense_end(struct kg_dense *trainer)
{
    double loss = 0;
    for (uint32_t c = 0; c < trainer->n_chunks; c++) {
        loss += trainer->losses[c];
    }
    trainer->steps_done++;
    return loss / ((double)trainer->settings.batch * trainer->dims.shape.n_ctx);
}

double kg_dense_step(struct kg_dense *trainer)
{
    kg_dense_begin(trainer);
    for (uint32_t c = 0; c < trainer->n_chunks; c++) {
        kg_dense_gradients(trainer, c, 0);
    }
    kg_dense_sum(trainer, 0, 1);
    kg_dense_update(trainer, 0, 1);
    kg_dense_pack(trainer, 0, 1);
    return kg_dense_end(trainer);
}

uint32_t kg_dense_eval_begin(struct kg_dense *trainer)
{
    __atomic_store_n(&trainer->next_eval, 0, __ATOMIC_RELAXED);
    return trainer->n_eval_blocks;
}

bool kg_dense_eval_take(struct kg_dense *trainer, uint32_t *block)
{
    return take_next(&trainer->next_eval, trainer->n_eval_blocks, block);
}

void kg_dense_eval_block(struct kg_dense *trainer, uint32_t block, uint32_t worker)
{
    struct kg_dense_pass pass = pass_of(trainer, worker);
    pass.first = block * trainer->group;
    pass.windows = lesser_of(trainer->group, trainer->n_eval - pass.first);
    read_windows(trainer, &pass, trainer->eval_begins + pass.first);
    trainer->functions->forward(&pass);
    trainer->eval_losses[block] = pass.memory->loss;
}

double kg_dense_eval_end(const struct kg_dense *trainer)
{
    double loss = 0;
    for (uint32_t i = 0; i < trainer->n_eval_blocks; i++) {
        loss += trainer->eval_losses[i];
    }
    return trainer->n_eval ? loss / ((double)trainer->n_eval * trainer->dims.shape.n_ctx) : 0;
}

uint32_t kg_dense_next(struct kg_dense *trainer, const uint32_t *tokens, uint32_t n, float number)
{
    const struct kg_dense_dims *d = &trainer->dims;
    struct kg_dense_pass pass = pass_of(trainer, 0);
    float sum = 0;
    pass.windows = 1;
    pass.weight = 1;
    for (uint32_t i = 0; i < d->shape.n_ctx; i++) { /* what lies behind does not change earlier positions */
        pass.memory->tokens[i] = i < n ? tokens[i] : 0;
        pass.memory->targets[i] = 0;
    }
    trainer->functions->forward(&pass);
    /* The derivatives by the logits are the probabilities, minus 1 for the target. */
    float *row = pass.memory->logits + (size_t)(n - 1) * d->s_vocab;
    row[0] += 1;
    for (uint32_t i = 0; i + 1 < d->shape.n_vocab; i++) {
        sum += row[i];
        if (sum > number) {
            return i;
        }
    }
    return d->shape.n_vocab - 1;
}

uint32_t kg_dense_chunks(const struct kg_dense *trainer)
{
    return trainer->n_chunks;
}

uint64_t kg_dense_steps_done(const struct kg_dense *trainer)
{
    return trainer->steps_done;
}

enum kg_isa kg_dense_isa(const struct kg_dense *trainer)
{
    return trainer->functions->isa;
}
