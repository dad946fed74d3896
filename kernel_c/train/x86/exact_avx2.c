/* Products and Adam with vectors of 4 doubles: see exact_vector.h. */
#define KG_VECTOR 4
#define KG_FUNCTIONS kg_exact_functions_avx2
#include "train/exact/exact_vector.h"
