/* PSCI: the firmware or hypervisor starts processors and ends the machine (Arm DEN0022). */
#ifndef KGPT_AARCH64_PSCI_H
#define KGPT_AARCH64_PSCI_H

#include <stdint.h>

enum kg_psci_conduit { KG_PSCI_NONE, KG_PSCI_HVC, KG_PSCI_SMC };

void kg_psci_init(enum kg_psci_conduit conduit);

/* Starts the processor `mpidr` at `entry` with X0 = `context`. Returns NULL, or the problem. */
const char *kg_psci_start(uint64_t mpidr, uint64_t entry, uint64_t context);

void kg_psci_off(void); /* these two return if the machine goes on */
void kg_psci_reset(void);

#endif
