/* The passes with vectors of 4 floats: see dense_pass.h. */
#define KG_VECTOR 4
#define KG_ISA KG_ISA_C
#define KG_FUNCTIONS kg_dense_functions_c
#include "dense_pass.h"
