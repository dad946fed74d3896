/* The passes with vectors of 8 floats: see dense_pass.h. */
#define KG_FUSED
#define KG_VECTOR 8
#define KG_ISA KG_ISA_AVX2
#define KG_FUNCTIONS kg_dense_functions_avx2
#include "train/dense/dense_pass.h"
