/* Exact training by x86's instruction sets: see train/versions.h. */
#include "kgpt/cpu.h"
#include "train/exact/exact.h"
#include "train/versions.h"

extern const struct kg_exact_functions kg_exact_functions_avx2;

const struct kg_exact_functions *kg_exact_functions_for(uint32_t features)
{
    return features & KG_CPU_AVX2 ? &kg_exact_functions_avx2 : &kg_exact_functions_c;
}
