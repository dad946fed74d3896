/* The passes with vectors of 4 floats and fused products, the arithmetic of AVX2: see dense_pass.h. */
#define KG_FUSED
#define KG_VECTOR 4
#define KG_ISA KG_ISA_NEON
#define KG_FUNCTIONS kg_dense_functions_neon
#include "train/dense/dense_pass.h"
