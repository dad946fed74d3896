#include "kgpt/cpu.h"
#include "kgpt/ops.h"
#include "kgpt/test.h"

KG_TEST(ops, the_table_obeys_features_and_mask)
{
    const uint32_t avx512 = KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    struct kg_ops ops;
    kg_ops_fill(&ops, KG_CPU_AVX2 | avx512, KG_ISA_AVX512);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_AVX512);
    kg_ops_fill(&ops, KG_CPU_AVX2 | avx512, KG_ISA_AVX2);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_AVX2);
    kg_ops_fill(&ops, KG_CPU_AVX2 | avx512, KG_ISA_C);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_C);
    kg_ops_fill(&ops, KG_CPU_AVX2 | KG_CPU_AVX512F, KG_ISA_AVX512);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_AVX2);
    kg_ops_fill(&ops, KG_CPU_SSE2 | KG_CPU_AVX, KG_ISA_AVX512);
    KG_CHECK_EQ(t, ops.isa, KG_ISA_C);
}
