#include "kgpt/cpu.h"
#include "kgpt/quant.h"
#include "kgpt/test.h"

static const struct kg_ops base;

/* True if the table has products of `type` from this slot. */
static bool chooses(uint32_t features, enum kg_isa allowed, uint32_t type, const char *slot)
{
    struct kg_quant_ops ops;
    kg_quant_fill(&ops, &base, features, allowed);
    return kg_streq(ops.slot[type], slot);
}

KG_TEST(quant, the_table_obeys_features_and_mask)
{
    const uint32_t avx2 = KG_CPU_AVX2 | KG_CPU_F16C;
    struct kg_quant_ops ops;
    kg_quant_fill(&ops, &base, avx2, KG_ISA_AVX512VNNI);
    KG_CHECK(t, ops.base == &base);
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        KG_CHECK(t, (ops.rows[type] != NULL) == (kg_type_info(type) != NULL));
    }
    KG_CHECK(t, chooses(avx2, KG_ISA_AVX512VNNI, KG_TYPE_Q4_0, "avx2"));
    KG_CHECK(t, chooses(avx2, KG_ISA_C, KG_TYPE_Q4_0, "swar"));
    KG_CHECK(t, chooses(KG_CPU_AVX2, KG_ISA_AVX512VNNI, KG_TYPE_Q4_0, "swar"));
    KG_CHECK(t, chooses(avx2 | KG_CPU_AVXVNNI, KG_ISA_AVX512VNNI, KG_TYPE_Q8_0, "avxvnni"));
    KG_CHECK(t, chooses(avx2 | KG_CPU_AVXVNNI, KG_ISA_AVXVNNI, KG_TYPE_Q8_0, "avxvnni"));
    KG_CHECK(t, chooses(avx2 | KG_CPU_AVXVNNI, KG_ISA_AVX512, KG_TYPE_Q8_0, "avx2"));
    KG_CHECK(t, chooses(avx2 | KG_CPU_AVXVNNI, KG_ISA_AVXVNNI, KG_TYPE_F16, "avx2"));
    const uint32_t avx512 = avx2 | KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    KG_CHECK(t, chooses(avx512 | KG_CPU_AVX512VNNI, KG_ISA_AVX512VNNI, KG_TYPE_Q4_1, "avx512vnni"));
    KG_CHECK(t, chooses(avx512 | KG_CPU_AVX512VNNI, KG_ISA_AVX512VNNI, KG_TYPE_Q6_K, "avx512vnni"));
    KG_CHECK(t, chooses(avx512 | KG_CPU_AVX512VNNI, KG_ISA_AVX512, KG_TYPE_Q6_K, "avx2"));
    KG_CHECK(t, chooses(avx512, KG_ISA_AVX512VNNI, KG_TYPE_F16, "avx512"));
    KG_CHECK(t, chooses(avx512 | KG_CPU_AVX512VNNI, KG_ISA_AVX2, KG_TYPE_Q4_1, "avx2"));
}
