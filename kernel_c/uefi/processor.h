/* The contract between the UEFI application and the room of its architecture: the way to the kernel's entry. */
#ifndef KGPT_UEFI_PROCESSOR_H
#define KGPT_UEFI_PROCESSOR_H

#include "loader.h"

struct kg_uefi_limits {
    uint64_t kernel, handover; /* the last address of each */
    const char *no_kernel, *no_handover;
};

extern const struct kg_uefi_limits kg_uefi_limits;
uint64_t kg_uefi_ticks(void);
uint64_t kg_uefi_ticks_hz(void); /* 0: the processor does not tell */
/* Prepares the way to the kernel, which is in its place. NULL, or the problem. */
const char *kg_uefi_make_ramp(struct kg_uefi *u);
_Noreturn void kg_uefi_enter(uint64_t ramp, uint64_t entry, uint64_t info);

#endif
