/* The other processors: the firmware's tables list them, PSCI starts them, common/parallel.c gives them work. */
#ifndef KGPT_AARCH64_SMP_H
#define KGPT_AARCH64_SMP_H

#include "platform/common/processors.h"

/* At boot: the affinities (MPIDR_EL1) of all processors. The list is kept. */
void kg_smp_init(const uint64_t *affinities, uint32_t n);

/* The affinity of a processor, by its index in the list. */
uint64_t kg_smp_affinity(uint32_t index);

#endif
