/* Fast training by NEON: see train/versions.h. */
#include "kgpt/cpu.h"
#include "train/fast/fast.h"
#include "train/versions.h"

extern const struct kg_fast_functions kg_fast_functions_neon;

const struct kg_fast_functions *kg_fast_functions_for(uint32_t features)
{
    return features & KG_CPU_NEON ? &kg_fast_functions_neon : &kg_fast_functions_c;
}
