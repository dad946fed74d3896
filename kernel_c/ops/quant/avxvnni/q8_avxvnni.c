/* Products of types with blocks of 32 by AVX-VNNI. With KG_EVEX the file is compiled for AVX-512 VNNI and VL instead:
 * tests run the same code in this form on processors without AVX-VNNI. */
#ifdef KG_EVEX
#define SUFFIX _evex
#else
#define SUFFIX _avxvnni
#endif
#define KG_HAS_DOT 1
#include "ops/quant/avxvnni/dot_bytes.h"

#include "ops/quant/avx2/q8_256.h"
