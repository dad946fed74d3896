/* From firmware, with its MMU and caches on at EL1 or EL2, to the kernel's entry, as a loader of Linux does it. X1 is
 * KG_UEFI_MAGIC, not 0, so the kernel knows that X0 is not the address of a device tree. */
#include "platform/boot/uefi_magic.h"

#define MMU 0x1
#define DATA_CACHE 0x4
#define CODE_CACHE 0x1000

    .text
    .balign 64
    .globl kg_uefi_jump, kg_uefi_jump_end
    .hidden kg_uefi_jump, kg_uefi_jump_end
    .type kg_uefi_jump, @function
kg_uefi_jump: /* entry, info */
    msr daifset, #0xF
    mov x19, x0
    mov x0, x1
    mov x3, #(MMU | DATA_CACHE)
    orr x3, x3, #CODE_CACHE
    mrs x2, currentel
    cmp x2, #8
    b.eq 1f
    mrs x4, sctlr_el1
    bic x4, x4, x3
    msr sctlr_el1, x4
    b 2f
1:  mrs x4, sctlr_el2
    bic x4, x4, x3
    msr sctlr_el2, x4
2:  isb
    ic iallu
    dsb sy
    isb
    movz x1, #(KG_UEFI_MAGIC & 0xFFFF)
    movk x1, #(KG_UEFI_MAGIC >> 16), lsl #16
    mov x2, #0
    mov x3, #0
    br x19
    .size kg_uefi_jump, . - kg_uefi_jump
kg_uefi_jump_end:

    .section .note.GNU-stack, "", @progbits
