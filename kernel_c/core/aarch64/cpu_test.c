#include "kgpt/cpu.h"

#include "kgpt/test.h"

/* A process may know of more: Linux tells it, where an emulator hides a field of an ID register. */
KG_TEST(cpu, detection_is_consistent)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    KG_CHECK_EQ(t, cpu.features & ~t->cpu->features, 0);
    KG_CHECK(t, cpu.features & KG_CPU_NEON);
    KG_CHECK(t, cpu.vendor[0] && cpu.vendor[12] == '\0' && cpu.brand[48] == '\0');
    KG_CHECK(t, !(t->cpu->features & KG_CPU_I8MM) || (t->cpu->features & KG_CPU_DOTPROD));
}

KG_TEST(cpu, names_follow_the_bits)
{
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_NEON)], "neon");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_I8MM)], "i8mm");
    KG_CHECK_TEXT(t, kg_cpu_feature_names[__builtin_ctz(KG_CPU_RNG)], "rng");
}
