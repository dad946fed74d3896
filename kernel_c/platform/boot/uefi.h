/* What the UEFI loader (kernel_c/uefi) hands to the kernel: a struct kg_boot that is filled already. Both come from
 * one build, so there are no versions. The structure lies below 4 GiB, like all that the entry code can read; modules
 * and the framebuffer lie anywhere. */
#ifndef KGPT_BOOT_UEFI_H
#define KGPT_BOOT_UEFI_H

#include "boot.h"
#include "uefi_magic.h"

#define KG_UEFI_EXCESS_SIZE 96

struct kg_uefi_handover {
    struct kg_boot boot;              /* `loader` and `excess` are not used */
    char excess[KG_UEFI_EXCESS_SIZE]; /* the text of `boot.excess`; empty: nothing */
};

#endif
