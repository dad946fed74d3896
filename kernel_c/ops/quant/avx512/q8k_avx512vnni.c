/* Products of types with blocks of 256 by AVX-512 VNNI. */
#include "dot_512.h"

#define SUFFIX _avx512vnni

#include "q8k_512.h"
