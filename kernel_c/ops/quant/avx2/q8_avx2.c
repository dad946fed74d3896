/* Products of types with blocks of 32 by AVX2. */
#define SUFFIX _avx2
#define KG_HAS_DOT 0
#include "q8_256.h"
