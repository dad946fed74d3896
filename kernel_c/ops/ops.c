/* Fills the table of functions: plain C first, then the best versions for the processor. */
#include "kgpt/ops.h"

#include "kgpt/cpu.h"
#include "versions.h"

#define KG_ISA_NAMES(names, ...) const char *const kg_##names##_names[KG_N_ISA + 1] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

void kg_ops_fill(struct kg_ops *ops, uint32_t features, enum kg_isa highest)
{
    const uint32_t avx512 = KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    *ops = (struct kg_ops){.isa = KG_ISA_C, .dot = kg_dot_ref, .matmul = kg_matmul_ref};
    if (highest >= KG_ISA_AVX2 && (features & KG_CPU_AVX2)) {
        *ops = (struct kg_ops){.isa = KG_ISA_AVX2, .dot = kg_dot_avx2, .matmul = kg_matmul_avx2};
    }
    if (highest >= KG_ISA_AVX512 && (features & avx512) == avx512) {
        *ops = (struct kg_ops){.isa = KG_ISA_AVX512, .dot = kg_dot_avx512, .matmul = kg_matmul_avx512};
    }
}
