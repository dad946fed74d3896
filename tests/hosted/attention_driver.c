/* Attention (kernel_c/ops/attention, kernel_c/infer/attention/) for test_attention.py: the steps of each table, and
 * whole batches beside the plain definition. */
#include "infer/state.h"
#include "kgpt/cpu.h"
#include "kgpt/mem.h"
#include "ops/attention/versions.h"

#define N_TABLES 4

static const struct kg_attention_ops *const tables[N_TABLES] = {&kg_attention_ref, &kg_attention_128,
                                                                &kg_attention_avx2, &kg_attention_avx512};

/* Has this machine the instructions of a table? */
bool driver_has(uint32_t table)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    const enum kg_isa allowed = table < 2 ? KG_ISA_C : table == 2 ? KG_ISA_AVX2 : KG_ISA_AVX512;
    return table < 2 || kg_attention_choose(cpu.features, allowed) == tables[table];
}

void driver_store(uint32_t table, uint32_t type, uint8_t *to, const float *head, uint32_t dim)
{
    tables[table]->store[type](to, head, dim);
}

void driver_load(uint32_t table, uint32_t type, float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim,
                 uint32_t first, uint32_t end)
{
    tables[table]->load[type](to, stride, from, n, dim, first, end);
}

void driver_scores(uint32_t table, float *scores, size_t stride, const float *queries, uint32_t n_queries,
                   const float *keys, uint32_t n, uint32_t width, float scale)
{
    tables[table]->scores(scores, stride, queries, n_queries, keys, n, width, scale);
}

/* x becomes the powers of its distances to the largest, divided by `by`. */
void driver_weights(uint32_t table, float *x, size_t n, float by)
{
    tables[table]->powers(x, n, tables[table]->largest(x, n));
    tables[table]->divide(x, x, n, by);
}

void driver_add_values(uint32_t table, float *out, size_t out_stride, const float *weights, size_t stride,
                       uint32_t n_queries, const float *values, uint32_t n, uint32_t width)
{
    tables[table]->add_values(out, out_stride, weights, stride, n_queries, values, n, width);
}

/* A layer that only attends. */
struct shape {
    uint32_t n_head, n_head_kv, dim, n_ctx, n_batch, kv, window;
    float scale;
};

static uint32_t n_workers;

static void run_workers(kg_work *work, void *context)
{
    for (uint32_t i = n_workers; i-- > 0;) {
        work(context, i, n_workers);
    }
}

/* Fills position `at` of each head of a cache from rows (positions, heads, dim). */
static void fill_cache(const struct kg_lm_kv *kv, const float *keys, const float *values, uint32_t n)
{
    for (uint32_t i = 0; i < n * kv->heads; i++) {
        uint32_t position = i / kv->heads, head = i % kv->heads;
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->keys, 0, head) + (uint64_t)position * kv->vector, keys + i * kv->dim);
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->values, 0, head) + (uint64_t)position * kv->vector,
                       values + i * kv->dim);
    }
}

/* Moves the first `n` positions of a cache of one layer into a base. What the cache has there is no number then. */
static void move_to_base(struct kg_lm_kv *kv, uint32_t n, struct kg_arena *arena)
{
    uint64_t bytes = (uint64_t)n * kv->vector, own = (uint64_t)kv->n_ctx * kv->vector;
    uint8_t *keys = kg_arena_take(arena, kv->heads * bytes + 1), *values = kg_arena_take(arena, kv->heads * bytes + 1);
    for (uint32_t head = 0; head < kv->heads && values; head++) {
        memcpy(keys + head * bytes, kv->keys + head * own, bytes);
        memcpy(values + head * bytes, kv->values + head * own, bytes);
        memset(kv->keys + head * own, 0xff, bytes);
        memset(kv->values + head * own, 0xff, bytes);
    }
    kv->base = (struct kg_lm_kv_base){keys, values, n, n};
}

/* out (n, n_head, dim) for queries (n, n_head, dim) at positions first, …; keys and values (first + n, n_head_kv, dim).
 * Returns false if the memory does not suffice. */
bool driver_attend(uint32_t table, uint32_t workers, const struct shape *shape, uint32_t first, uint32_t n,
                   const float *queries, const float *keys, const float *values, float *out, void *memory, size_t size)
{
    const struct kg_lm_extra extra = {.attn_scale = shape->scale};
    const struct kg_lm_model model = {
        .n_layer = 1, .n_head = shape->n_head, .n_head_kv = shape->n_head_kv, .head_dim = shape->dim, .extra = &extra};
    const struct kg_lm_options options = {.n_ctx = shape->n_ctx, .n_batch = shape->n_batch, .kv = shape->kv};
    const struct kg_workers all = {run_workers};
    const struct kg_quant_ops ops = {.attention = tables[table]};
    const struct kg_lm_layer layer = {.window = shape->window};
    const size_t stride = (size_t)shape->n_head * shape->dim;
    struct kg_lm_work work = {
        .ops = &ops, .workers = &all, .query = {(float *)queries, stride}, .attended = {out, stride}};
    struct kg_lm_kv caches[2];
    struct kg_lm_session session = {.attention = NULL}; /* nobody wants the weights */
    struct kg_lm_run runs[2];
    struct kg_arena arena;
    kg_arena_init(&arena, memory, size);
    kg_lm_attention_carve(&work.attention, &model, &options, &arena);
    /* The last token, if there are more, is of another session with the same keys and values. */
    for (uint32_t i = 0; i < 2; i++) {
        kg_lm_kv_carve(&caches[i], &model, &ops, &options, &arena);
        if (!caches[i].values) {
            return false;
        }
        fill_cache(&caches[i], keys, values, first + n);
        move_to_base(&caches[i], i ? (first + n) / 2 : first / 3, &arena);
        if (!caches[i].base.values) {
            return false;
        }
        runs[i] = (struct kg_lm_run){
            .session = &session, .kv = &caches[i], .first = i * (n - 1), .n = i ? 1 : n - 1, .position = first};
    }
    runs[1].position += n - 1;
    struct kg_lm_row_token last = {.kv = &caches[1], .position = first + n - 1};
    n_workers = workers;
    const struct kg_lm_pass pass = {.work = &work,
                                    .model = &model,
                                    .layer = &layer,
                                    .tokens = &last,
                                    .n = n,
                                    .runs = n > 1 ? runs : runs + 1,
                                    .n_runs = n > 1 ? 2 : 1};
    kg_lm_attend(&pass);
    return true;
}
