/* The passes with vectors of 8 floats: see fast_pass.h. */
#define KG_FUSED
#define KG_VECTOR 8
#define KG_ISA KG_ISA_AVX2
#define KG_FUNCTIONS kg_fast_functions_avx2
#include "train/fast/fast_pass.h"
