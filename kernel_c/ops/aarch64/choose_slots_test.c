#include "kgpt/cpu.h"
#include "kgpt/quant.h"
#include "kgpt/test.h"

static const struct kg_ops base;

/* True if the table has products of `type` from this slot. */
static bool chooses_neon(uint32_t features, enum kg_isa allowed, uint32_t type, const char *slot)
{
    struct kg_quant_ops ops;
    kg_quant_fill(&ops, &base, features, allowed);
    return kg_streq(ops.slot[type], slot);
}

KG_TEST(quant, the_table_obeys_features_and_mask)
{
    const uint32_t dotprod = KG_CPU_NEON | KG_CPU_DOTPROD, all = dotprod | KG_CPU_I8MM;
    struct kg_quant_ops ops;
    kg_quant_fill(&ops, &base, all, KG_ISA_ALL);
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        KG_CHECK(t, (ops.rows[type] != NULL) == (kg_type_info(type) != NULL));
    }
    KG_CHECK(t, chooses_neon(all, KG_ISA_ALL, KG_TYPE_Q4_0, "i8mm"));
    KG_CHECK(t, chooses_neon(all, KG_ISA_ALL, KG_TYPE_F16, "neon"));
    KG_CHECK(t, chooses_neon(all, KG_ISA_DOTPROD, KG_TYPE_Q6_K, "dotprod"));
    KG_CHECK(t, chooses_neon(all, KG_ISA_NEON, KG_TYPE_Q6_K, "neon"));
    KG_CHECK(t, chooses_neon(all, KG_ISA_C, KG_TYPE_Q6_K, "swar"));
    KG_CHECK(t, chooses_neon(all, KG_ISA_AVX2, KG_TYPE_Q6_K, "swar"));
    KG_CHECK(t, chooses_neon(dotprod, KG_ISA_ALL, KG_TYPE_MXFP4, "dotprod"));
    KG_CHECK(t, chooses_neon(KG_CPU_NEON, KG_ISA_I8MM, KG_TYPE_MXFP4, "neon"));
    KG_CHECK(t, chooses_neon(KG_CPU_NEON | KG_CPU_I8MM, KG_ISA_ALL, KG_TYPE_MXFP4, "neon"));
}
