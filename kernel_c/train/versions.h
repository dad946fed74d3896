/* The best passes of each trainer for a processor. Of the architecture's room (train/x86, train/aarch64); `features`
 * (enum kg_cpu_feature) are those that it has and that may be used. */
#ifndef KGPT_TRAIN_VERSIONS_H
#define KGPT_TRAIN_VERSIONS_H

#include <stdint.h>

struct kg_exact_functions;
struct kg_fast_functions;
struct kg_dense_functions;

const struct kg_exact_functions *kg_exact_functions_for(uint32_t features);
const struct kg_fast_functions *kg_fast_functions_for(uint32_t features);
const struct kg_dense_functions *kg_dense_functions_for(uint32_t features);

#endif
