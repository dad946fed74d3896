#include "kgpt/cpu.h"

#include "kgpt/test.h"

KG_TEST(cpu, detection_is_consistent)
{
    struct kg_cpu cpu;
    const uint32_t avx512 = KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL | KG_CPU_AVX512VNNI;
    kg_cpu_detect(&cpu);
    KG_CHECK_EQ(t, cpu.features, t->cpu->features);
    KG_CHECK(t, cpu.features & KG_CPU_SSE2);
    KG_CHECK_EQ(t, kg_strlen(cpu.vendor), 12);
    KG_CHECK(t, cpu.brand[48] == '\0');
    if (cpu.features & (KG_CPU_AVX | KG_CPU_AVX2 | KG_CPU_FMA | KG_CPU_F16C)) {
        KG_CHECK(t, (cpu.features & KG_CPU_XSAVE) && (cpu.xcr0 & 6) == 6);
    }
    if (cpu.features & avx512) {
        KG_CHECK_EQ(t, cpu.xcr0 & 0xE6, 0xE6);
    }
}

KG_TEST(cpu, names_follow_the_bits)
{
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_SSE2)], "sse2");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_AVX2)], "avx2");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_AVX512VNNI)], "avx512vnni");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_HYPERVISOR)], "hypervisor");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_SHA)], "sha");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_AVXVNNI)], "avxvnni");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_PCLMUL)], "pclmulqdq");
}
