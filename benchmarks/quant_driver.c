/* Quantised products for ctypes: tables of functions by the number of a slot, as far as this machine has the
 * instructions. */
#include "../../kernel_c/ops/quant/versions.h"
#include "kgpt/cpu.h"

static const struct kg_ops base;

/* The code of the slot avxvnni in another encoding: benchmarks/quant_library.py compiles the file twice. */
kg_rows_fn kg_rows_q4_0_evex, kg_rows_q4_1_evex, kg_rows_q5_0_evex, kg_rows_q5_1_evex, kg_rows_q8_0_evex;
kg_rows_fn kg_rows_iq4_nl_evex, kg_rows_mxfp4_evex;
static const struct kg_quant_slot evex = {
    .name = "evex",
    .needs = KG_CPU_AVX2 | KG_CPU_F16C | KG_CPU_AVX512VL | KG_CPU_AVX512VNNI,
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_evex,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_evex,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_evex,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_evex,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_evex,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_evex,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_evex,
        },
};

#define MOST_SLOTS 8
static struct kg_quant_ops tables[MOST_SLOTS];

/* The kernel's slots, then `evex`. NULL: there is no such slot. */
static const struct kg_quant_slot *slot_at(uint32_t slot)
{
    uint32_t n = 0;
    while (kg_quant_slots[n]) {
        n++;
    }
    return slot < n ? kg_quant_slots[slot] : slot == n ? &evex : NULL;
}

/* NULL behind the last slot. */
const char *driver_slot_name(uint32_t slot)
{
    return slot_at(slot) ? slot_at(slot)->name : NULL;
}

bool driver_slot_has(uint32_t slot, uint32_t type)
{
    return slot_at(slot)->rows[type];
}

/* A table of plain C and this slot. False where this machine lacks its instructions. */
bool driver_open(uint32_t slot)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    tables[slot] = (struct kg_quant_ops){.base = &base};
    kg_quant_use(&tables[slot], kg_quant_slots[0]);
    kg_quant_use(&tables[slot], slot_at(slot));
    return (cpu.features & slot_at(slot)->needs) == slot_at(slot)->needs;
}

/* The name of the slot that kg_quant_fill chooses for a type. */
const char *driver_best(uint32_t type, uint32_t features, enum kg_isa allowed)
{
    struct kg_quant_ops ops;
    kg_quant_fill(&ops, &base, features, allowed);
    return ops.slot[type];
}

void driver_act(uint32_t slot, uint32_t act, void *out, const float *x, uint32_t columns)
{
    tables[slot].act[act](out, x, columns);
}

void driver_rows(uint32_t slot, float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                 const void *acts, size_t act_stride, uint32_t tokens)
{
    tables[slot].rows[matrix->type](y, y_stride, matrix, first, n, acts, act_stride, tokens);
}
