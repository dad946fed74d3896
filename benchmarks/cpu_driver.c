/* What a library of the engine needs from the processor it is loaded on. */
#include <stdint.h>

#include "kgpt/cpu.h"

uint32_t driver_features(void)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    return cpu.features;
}
