#include "kgpt/cpu.h"
#include "kgpt/ops.h"
#include "kgpt/test.h"

KG_TEST(ops, the_table_obeys_features_and_mask)
{
    const uint32_t all = KG_CPU_NEON | KG_CPU_DOTPROD | KG_CPU_I8MM;
    struct kg_ops ops;
    kg_ops_fill(&ops, all, KG_ISA_ALL);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_NEON);
    kg_ops_fill(&ops, all, KG_ISA_NEON);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_NEON);
    kg_ops_fill(&ops, all, KG_ISA_C);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_C);
    kg_ops_fill(&ops, all, KG_ISA_AVX512);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_C);
    kg_ops_fill(&ops, 0, KG_ISA_ALL);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_C);
}
