/* The passes with vectors of 4 floats: see fast_pass.h. */
#define KG_VECTOR 4
#define KG_ISA KG_ISA_C
#define KG_FUNCTIONS kg_fast_functions_c
#include "fast_pass.h"
