/* Which slot of products (ops/quant/slots.c) computes with the matrices of each type. */
#include "lm.h"

#include "app/events/print.h"

/* Bytes of the model's matrices of a type. */
static uint64_t bytes_of_type(const struct kg_gguf *gguf, uint32_t type)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct kg_gguf_tensor *tensor = &gguf->tensors[i];
        bytes += tensor->type == type && tensor->n_dims > 1 ? tensor->size : 0;
    }
    return bytes;
}

const char *kg_lm_slot(const struct kg_lm *lm)
{
    const char *slot = lm->ops.slot[KG_TYPE_F32];
    uint64_t most = 0;
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        uint64_t bytes = bytes_of_type(&lm->loaded.gguf, type);
        slot = bytes > most ? lm->ops.slot[type] : slot;
        most = bytes > most ? bytes : most;
    }
    return slot;
}

void kg_lm_print_slots(const struct kg_lm *lm)
{
    const char *before = "";
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        if (bytes_of_type(&lm->loaded.gguf, type)) {
            kg_print("%s%s by %s", before, kg_type_info(type)->name, lm->ops.slot[type]);
            before = ", ";
        }
    }
    kg_print("\n");
}
