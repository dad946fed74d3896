/* Products of types with blocks of 32 by baseline NEON. */
#define SUFFIX _neon
#define KG_HAS_DOT 0
#define KG_HAS_MATRIX 0
#include "q8_neon.h"
