/* The versions of x86's instruction sets: see ops/versions.h. */
#include "../versions.h"
#include "kgpt/cpu.h"

void kg_ops_choose(struct kg_ops *ops, uint32_t features)
{
    const uint32_t avx512 = KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    if (features & KG_CPU_AVX2) {
        *ops = (struct kg_ops){.isa = KG_ISA_AVX2, .dot = kg_dot_avx2, .matmul = kg_matmul_avx2};
    }
    if ((features & avx512) == avx512) {
        *ops = (struct kg_ops){.isa = KG_ISA_AVX512, .dot = kg_dot_avx512, .matmul = kg_matmul_avx512};
    }
}
