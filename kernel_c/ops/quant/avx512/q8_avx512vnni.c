/* Products of types with blocks of 32 by AVX-512 VNNI. */
#include "dot_512.h"

#define SUFFIX _avx512vnni

#include "q8_512.h"
