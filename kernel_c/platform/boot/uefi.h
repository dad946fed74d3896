/* What the UEFI loader (kernel_c/uefi) hands to the kernel: a struct kg_boot that is filled already. Both come from
 * one build, so there are no versions. The structure lies where the entry code can read it: below 4 GiB on x86-64,
 * below 512 GiB on aarch64. Modules and the framebuffer lie anywhere. */
#ifndef KGPT_BOOT_UEFI_H
#define KGPT_BOOT_UEFI_H

#include "boot.h"
#include "uefi_magic.h"

#define KG_UEFI_EXCESS_SIZE 96
#define KG_UEFI_MARKS 8 /* for 512 GiB */

struct kg_uefi_handover {
    uint64_t memory[KG_UEFI_MARKS];   /* a bit for each GiB with memory; boot/aarch64/entry.S reads it */
    uint64_t tree;                    /* address of a device tree; 0: none */
    uint64_t time;                    /* when the kernel is entered: seconds since 1970, UTC; 0: unknown */
    struct kg_boot boot;              /* `loader` and `excess` are not used */
    char excess[KG_UEFI_EXCESS_SIZE]; /* the text of `boot.excess`; empty: nothing */
};

#endif
