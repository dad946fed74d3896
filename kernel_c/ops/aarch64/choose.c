/* The versions by NEON: see ops/versions.h. */
#include "../versions.h"
#include "kgpt/cpu.h"

void kg_ops_choose(struct kg_ops *ops, uint32_t features)
{
    if (features & KG_CPU_NEON) {
        *ops = (struct kg_ops){.isa = KG_ISA_NEON, .dot = kg_dot_neon, .matmul = kg_matmul_neon};
    }
}
