/* Products and Adam with vectors of 2 doubles: see exact_vector.h. */
#define KG_VECTOR 2
#define KG_FUNCTIONS kg_exact_functions_c
#include "exact_vector.h"
