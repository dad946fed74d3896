/* The memory of one document: sized, carved, reset. What happens in it is in forward.c. */
#include "kgpt/session.h"

#include <stdbool.h>

/* One array of a session: where its pointer is kept, and how many floats it has. */
struct array {
    float **place;
    uint64_t floats;
};

#define KG_N_KV 2
#define KG_N_ARRAYS 10

/* Keys and values first, then scratch. */
static void list_arrays(struct kg_session *s, const struct kg_model *m, struct array arrays[KG_N_ARRAYS])
{
    uint64_t kv = 0;
    if (__builtin_mul_overflow((uint64_t)m->n_ctx * m->kv_dim, (uint64_t)m->n_layer, &kv)) {
        kv = UINT64_MAX;
    }
    const struct array list[KG_N_ARRAYS] = {
        {&s->keys, kv},         {&s->values, kv},           {&s->x, m->n_embd},         {&s->normed, m->n_embd},
        {&s->query, m->n_embd}, {&s->attention, m->n_embd}, {&s->projected, m->n_embd}, {&s->hidden, m->n_ff},
        {&s->scores, m->n_ctx}, {&s->logits, m->n_vocab},
    };
    for (int i = 0; i < KG_N_ARRAYS; i++) {
        arrays[i] = list[i];
    }
}

static uint64_t array_cost(const struct array *array)
{
    uint64_t bytes;
    return __builtin_mul_overflow(array->floats, sizeof(float), &bytes) ? UINT64_MAX : kg_arena_cost(bytes);
}

static uint64_t total_cost(const struct array *arrays, int n)
{
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        if (__builtin_add_overflow(total, array_cost(&arrays[i]), &total)) {
            return UINT64_MAX;
        }
    }
    return total;
}

struct kg_session_size kg_session_size(const struct kg_model *model)
{
    struct kg_session unused;
    struct array arrays[KG_N_ARRAYS];
    list_arrays(&unused, model, arrays);
    return (struct kg_session_size){
        .kv = total_cost(arrays, KG_N_KV),
        .scratch = total_cost(arrays + KG_N_KV, KG_N_ARRAYS - KG_N_KV),
    };
}

enum kg_status kg_session_init(struct kg_session *session, const struct kg_model *model, const struct kg_ops *ops,
                               struct kg_arena *arena)
{
    struct array arrays[KG_N_ARRAYS];
    *session = (struct kg_session){.model = model, .ops = ops};
    list_arrays(session, model, arrays);
    for (int i = 0; i < KG_N_ARRAYS; i++) {
        if (array_cost(&arrays[i]) == UINT64_MAX) {
            return KG_E_MEMORY;
        }
        *arrays[i].place = kg_arena_take(arena, arrays[i].floats * sizeof(float));
        if (!*arrays[i].place) {
            return KG_E_MEMORY;
        }
    }
    return KG_OK;
}

void kg_session_reset(struct kg_session *session)
{
    session->pos = 0;
}
