/* Products of types with blocks of 256 by SDOT. */
#define SUFFIX _dotprod
#define KG_HAS_DOT 1
#define KG_HAS_MATRIX 0
#include "q8k_neon.h"
