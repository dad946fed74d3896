/* Products of types with blocks of 256 by SDOT, and SMMLA for two tokens at once. */
#define SUFFIX _i8mm
#define KG_HAS_DOT 1
#define KG_HAS_MATRIX 1
#include "q8k_neon.h"
