/* Fast training by x86's instruction sets: see train/versions.h. */
#include "kgpt/cpu.h"
#include "train/fast/fast.h"
#include "train/versions.h"

extern const struct kg_fast_functions kg_fast_functions_avx2, kg_fast_functions_avx512;

const struct kg_fast_functions *kg_fast_functions_for(uint32_t features)
{
    const uint32_t avx2 = KG_CPU_AVX2 | KG_CPU_FMA;
    const uint32_t avx512 = KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL | avx2;
    if ((features & avx512) == avx512) {
        return &kg_fast_functions_avx512;
    }
    return (features & avx2) == avx2 ? &kg_fast_functions_avx2 : &kg_fast_functions_c;
}
