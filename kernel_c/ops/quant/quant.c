/* Fills the table of functions: plain C first, then what the processor can do better. */
#include "kgpt/quant.h"
#include "kgpt/cpu.h"
#include "versions.h"

void kg_quant_ref(struct kg_quant_ops *ops)
{
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        static kg_rows_fn *const rows[KG_N_ACTS] = {kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref};
        const struct kg_type_info *info = kg_type_info(type);
        ops->rows[type] = info ? rows[info->act] : NULL;
    }
    ops->act[KG_ACT_F32] = kg_act_f32_ref;
    ops->act[KG_ACT_Q8] = kg_act_q8_ref;
    ops->act[KG_ACT_Q8K] = kg_act_q8k_ref;
    ops->dot_f16 = kg_dot_f16_ref;
    ops->add_scaled_f16 = kg_add_scaled_f16_ref;
}

void kg_quant_fill(struct kg_quant_ops *ops, const struct kg_ops *base, uint32_t features, enum kg_isa highest)
{
    (void)features, (void)highest;
    *ops = (struct kg_quant_ops){.isa = KG_ISA_C, .base = base};
    kg_quant_ref(ops);
}
