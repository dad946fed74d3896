/* Products of types with blocks of 256 by baseline NEON. */
#define SUFFIX _neon
#define KG_HAS_DOT 0
#define KG_HAS_MATRIX 0
#include "q8k_neon.h"
