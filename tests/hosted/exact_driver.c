/* Exact training for ctypes: one training in Python's memory, with numbers in place of structures. */
#include <stdbool.h>

#include "kgpt/cpu.h"
#include "kgpt/train_exact.h"

struct driver {
    struct kg_corpus corpus;
    struct kg_exact *trainer;
    struct kg_error error;
    uint64_t taken, counted; /* bytes of the trainer in the arena */
};

struct options {
    uint32_t n_ctx, n_embd, n_layer, n_head, n_ff, steps;
    double lr, beta1, beta2, eps, weight_decay;
    uint64_t seed;
};

enum kg_status driver_open(struct driver *driver, const struct options *options, const char *text, size_t n,
                           void *memory, size_t size)
{
    struct kg_arena arena;
    kg_arena_init(&arena, memory, size);
    enum kg_status status = kg_corpus_read(&driver->corpus, text, n, 0, &arena, &driver->error);
    if (status != KG_OK) {
        return status;
    }
    const struct kg_exact_settings settings = {
        .shape = {driver->corpus.n_vocab, options->n_ctx, options->n_embd, options->n_layer, options->n_head,
                  options->n_ff},
        .adam = {options->lr, options->beta1, options->beta2, options->eps, options->weight_decay, options->steps},
        .seed = options->seed,
    };
    struct kg_arena counted = kg_arena_counting();
    size_t before = arena.used;
    status = kg_exact_check(&settings, &driver->corpus, &driver->error);
    if (status != KG_OK) {
        return status;
    }
    kg_exact_carve(&settings, &driver->corpus, &counted);
    driver->counted = counted.used;
    if (counted.used > kg_arena_left(&arena)) {
        return kg_error_set(&driver->error, KG_E_MEMORY, "the test's memory is too small");
    }
    driver->trainer = kg_exact_carve(&settings, &driver->corpus, &arena);
    driver->taken = arena.used - before;
    kg_exact_draw(driver->trainer);
    return KG_OK;
}

/* Returns false if this machine lacks the instructions. */
bool driver_use(struct driver *driver, enum kg_isa isa)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    kg_exact_use(driver->trainer, cpu.features, isa);
    return isa != KG_ISA_AVX2 || (cpu.features & KG_CPU_AVX2);
}

void driver_steps(struct driver *driver, uint32_t n, double *losses)
{
    for (uint32_t i = 0; i < n; i++) {
        losses[i] = kg_exact_step(driver->trainer);
    }
}

double driver_loss(struct driver *driver, uint32_t document)
{
    const uint32_t *start = driver->corpus.start + document;
    return kg_exact_loss(driver->trainer, driver->corpus.tokens + start[0], start[1] - start[0]);
}

size_t driver_sample(struct driver *driver, double temperature, uint32_t *tokens, char *text, size_t size)
{
    uint32_t n = kg_exact_sample(driver->trainer, temperature, tokens);
    return kg_corpus_text(&driver->corpus, tokens, n, text, size);
}

const double *driver_weights(const struct driver *driver)
{
    return kg_exact_weights(driver->trainer);
}

void driver_export(const struct driver *driver, float *weights)
{
    kg_exact_export(driver->trainer, weights);
}

uint64_t driver_state_size(const struct driver *driver)
{
    return kg_exact_state_size(driver->trainer);
}

void driver_save(const struct driver *driver, void *state)
{
    kg_exact_save(driver->trainer, state);
}

enum kg_status driver_load(struct driver *driver, const void *state, uint64_t size)
{
    return kg_exact_load(driver->trainer, state, size, &driver->error);
}
