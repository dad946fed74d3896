/* The passes with vectors of 16 floats: see dense_pass.h. */
#define KG_FUSED
#define KG_VECTOR 16
#define KG_ISA KG_ISA_AVX512
#define KG_FUNCTIONS kg_dense_functions_avx512
#include "train/dense/dense_pass.h"
