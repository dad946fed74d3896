/* The table of architectures, from arch.def: see arch.h. */
#include "arch.h"

#include <stddef.h>

#include "kgpt/mem.h"
#include "kgpt/str.h"

/* Places in kg_lm_slots. */
enum slot {
#define KG_MATRIX(id, name, holder, place, rows, columns) AT_##id,
#define KG_VECTOR(id, name, holder, place, n) AT_##id,
#include "arch.def"
    N_SLOTS,
};
_Static_assert(N_SLOTS < KG_LM_MOST_SLOTS, "a bit for each slot, and a name of NULL behind them");

/* Sets of slots, by the names of arch.def. */
enum slots {
#define KG_MATRIX(id, name, holder, place, rows, columns) id = 1ull << AT_##id,
#define KG_VECTOR(id, name, holder, place, n) id = 1ull << AT_##id,
#define KG_SET(name, ids) name = (ids),
#include "arch.def"
};

enum trait {
    EMBEDDING_SCALE = 1,
    EMBEDDING_NORM = 2,
    PARALLEL = 4,
    WINDOW = 8,
};

enum holder { MODEL, LAYER };

const struct kg_lm_slot kg_lm_slots[KG_LM_MOST_SLOTS] = {
#define KG_MATRIX(id, name, holder, place, rows, columns) \
    [AT_##id] = {name, holder == LAYER, KG_M_##place, KG_DIM_##rows, KG_DIM_##columns},
#define KG_VECTOR(id, name, holder, place, n) \
    [AT_##id] = {name, holder == LAYER, KG_V_##place, KG_DIM_NONE, KG_DIM_##n},
#include "arch.def"
};

static const struct kg_lm_arch archs[] = {
#define KG_ARCH(arch_name, arch_norm, arch_rope, arch_activation, traits, arch_pattern, base, arch_needs, arch_may) \
    {                                                                                                               \
        .name = #arch_name,                                                                                         \
        .norm = KG_NORM_##arch_norm,                                                                                \
        .rope = KG_ROPE_##arch_rope,                                                                                \
        .activation = KG_ACTIVATION_##arch_activation,                                                              \
        .embedding_scale = ((traits) & EMBEDDING_SCALE) != 0,                                                       \
        .embedding_norm = ((traits) & EMBEDDING_NORM) != 0,                                                         \
        .parallel = ((traits) & PARALLEL) != 0,                                                                     \
        .window = ((traits) & WINDOW) != 0,                                                                         \
        .pattern = (arch_pattern),                                                                                  \
        .local_base = (base),                                                                                       \
        .needs = (arch_needs),                                                                                      \
        .may = (arch_may),                                                                                          \
    },
#include "arch.def"
};

#define N_ARCHS (sizeof archs / sizeof *archs)

const char *const kg_lm_arch_names[] = {
#define KG_ARCH(name, ...) #name,
#include "arch.def"
    NULL,
};

const char kg_lm_arch_list[] = ""
#define KG_ARCH(name, ...) ", " #name
#include "arch.def"
    ;

const struct kg_lm_arch *kg_lm_arch_find(const char *name, uint64_t n)
{
    for (uint32_t i = 0; i < N_ARCHS; i++) {
        if (kg_strlen(archs[i].name) == n && memcmp(archs[i].name, name, n) == 0) {
            return &archs[i];
        }
    }
    return NULL;
}
