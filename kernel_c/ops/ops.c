/* Fills the table of functions: plain C first, then the best versions for the processor. */
#include "kgpt/ops.h"

#include "versions.h"

#define KG_ISA_NAMES(names, ...) const char *const kg_##names##_names[KG_N_ISA + 1] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

void kg_ops_fill(struct kg_ops *ops, uint32_t features, enum kg_isa allowed)
{
    *ops = (struct kg_ops){.isa = KG_ISA_C, .dot = kg_dot_ref, .matmul = kg_matmul_ref};
    kg_ops_choose(ops, features & kg_isa_features(allowed));
}
