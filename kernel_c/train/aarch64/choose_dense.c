/* Training on a running text by NEON: see train/versions.h. */
#include "kgpt/cpu.h"
#include "train/dense/dense.h"
#include "train/versions.h"

extern const struct kg_dense_functions kg_dense_functions_neon;

const struct kg_dense_functions *kg_dense_functions_for(uint32_t features)
{
    return features & KG_CPU_NEON ? &kg_dense_functions_neon : &kg_dense_functions_c;
}
