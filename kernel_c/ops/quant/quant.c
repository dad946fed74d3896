/* Fills the table of functions from the slots that the processor can run. */
#include "kgpt/quant.h"
#include "kgpt/cpu.h"
#include "versions.h"

void kg_quant_use(struct kg_quant_ops *ops, const struct kg_quant_slot *slot)
{
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        if (slot->rows[type]) {
            ops->rows[type] = slot->rows[type];
            ops->slot[type] = slot->name;
        }
    }
    for (uint32_t act = 0; act < KG_N_ACTS; act++) {
        ops->act[act] = slot->act[act] ? slot->act[act] : ops->act[act];
    }
}

void kg_quant_fill(struct kg_quant_ops *ops, const struct kg_ops *base, uint32_t features, enum kg_isa allowed)
{
    const bool is_emulated = allowed == KG_ISA_ALL && kg_cpu_is_emulated(features);
    const uint32_t usable = is_emulated ? 0 : features & kg_isa_features(allowed);
    *ops = (struct kg_quant_ops){.base = base, .attention = kg_attention_choose(features, allowed)};
    for (uint32_t i = 0; kg_quant_slots[i]; i++) {
        if ((kg_quant_slots[i]->needs & usable) == kg_quant_slots[i]->needs) {
            kg_quant_use(ops, kg_quant_slots[i]);
        }
    }
}
