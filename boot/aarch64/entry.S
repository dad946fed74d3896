/* Entry by the Linux boot protocol (Documentation/arch/arm64/booting.rst): at EL2 or EL1, the device tree's address in
 * X0; or from kgpt.efi, with KG_UEFI_MAGIC in X1. The MMU is off, or on with an identity map. The image lies in any
 * pages of 4 KiB below 512 GiB, and its bytes are in memory, not in caches alone. The kernel runs at EL1 on SP_EL0, so
 * that each exception has a stack of its own, SP_EL1. */
#include "../identity.h"
#include "platform/boot/uefi_magic.h"
#include "registers.h"

#define IMAGE_FLAGS 0xA /* little-endian, pages of 4 KiB, anywhere in memory */

    .section .boot.headers, "ax", @progbits
    .balign 8
    .globl kg_image_header
kg_image_header:
    ccmp x18, #0, #0xd, pl /* reads "MZ", and does nothing */
    b kg_entry
    .quad 0             /* text_offset */
    .quad kg_image_size /* `kgpt pack` updates it */
    .quad IMAGE_FLAGS
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

    .macro address register, symbol
    adrp \register, \symbol
    add \register, \register, :lo12:\symbol
    .endm

    .macro constant register, value
    movz \register, #(\value) & 0xFFFF
    movk \register, #((\value) >> 16) & 0xFFFF, lsl #16
    movk \register, #((\value) >> 32) & 0xFFFF, lsl #32
    movk \register, #((\value) >> 48) & 0xFFFF, lsl #48
    .endm

    .section .boot.text, "ax", @progbits
    .globl kg_entry
    .type kg_entry, @function
kg_entry:
    mov x20, x0
    mrs x21, cntvct_el0
    mov x22, x1
    bl enter_el1

    /* Of the first 512 GiB the GiB of the kernel and of the loader's data are known to be memory, and those that
     * kgpt.efi has marked. */
    address x0, boot_l0
    address x1, boot_l1
    orr x2, x1, #TABLE
    str x2, [x0]
    address x4, kg_image_header
    bl map_memory
    ldr x5, [x4, #16]
    add x4, x4, x5
    bl map_memory
    cbz x20, 1f
    mov x4, x20
    bl map_memory
    add x4, x20, #0x200000 /* a tree has at most 2 MiB */
    bl map_memory
1:  constant x2, KG_UEFI_MAGIC
    cmp x22, x2
    b.ne 6f
    mov x8, #0 /* struct kg_uefi_handover begins with a bit for each GiB */
4:  lsr x3, x8, #6
    ldr x5, [x20, x3, lsl #3]
    lsr x5, x5, x8
    tbz x5, #0, 5f
    lsl x4, x8, #30
    bl map_memory
5:  add x8, x8, #1
    cmp x8, #512
    b.ne 4b
6:  mov x2, x0 /* lines of a cache from before would hide what was written */
2:  dc ivac, x2
    add x2, x2, #16
    sub x3, x2, x0
    cmp x3, #0x2000
    b.ne 2b
    bl enable_mmu
    bl move_addresses

    address x0, kg_ist_top
    msr spsel, #1
    mov sp, x0
    msr spsel, #0
    address x0, kg_stack_top
    mov sp, x0
    msr tpidr_el1, xzr /* number of the processor */
    address x0, kg_ticks_entry
    str x21, [x0]
    mov x0, x20
    mov x1, x22
    mov x29, #0 /* ends back-traces */
    mov x30, #0
    bl kg_start
    brk #0
    .size kg_entry, . - kg_entry

    /* Maps the GiB of the address in X4 as memory, in the table X1. */
    .type map_memory, @function
map_memory:
    constant x2, BLOCK_MEMORY
    ubfx x3, x4, #30, #9
    lsl x6, x3, #30
    orr x6, x6, x2
    lsr x7, x4, #39
    cbnz x7, 1f
    str x6, [x1, x3, lsl #3]
1:  ret
    .size map_memory, . - map_memory

    /* Moves the addresses in the kernel by the distance from where it is linked. The linker lists them in the format
     * RELR (System V ABI): an even number is the place of an address, and each bit of an odd one stands for one of the
     * next 63 places. Changes X0 to X7. */
    .type move_addresses, @function
move_addresses:
    address x0, kg_addresses_start
    address x1, kg_addresses_end
    address x2, kg_image_start
    address x3, link_address
    ldr x3, [x3]
    subs x2, x2, x3
    b.eq 5f /* also if the loader has moved them */
1:  cmp x0, x1
    b.hs 5f
    ldr x3, [x0], #8
    tbnz x3, #0, 2f
    add x4, x3, x2
    ldr x5, [x4]
    add x5, x5, x2
    str x5, [x4], #8
    b 1b
2:  mov x6, x4
3:  lsr x3, x3, #1
    cbz x3, 4f
    tbz x3, #0, 6f
    ldr x5, [x6]
    add x5, x5, x2
    str x5, [x6]
6:  add x6, x6, #8
    b 3b
4:  add x4, x4, #(63 * 8)
    b 1b
5:  ret
    .size move_addresses, . - move_addresses

    /* Sets the state of EL1, MMU and timers off, and returns there. Changes X0 to X3. */
    .type enter_el1, @function
enter_el1:
    msr daifset, #0xF
    mov x3, x30
    constant x0, SCTLR_OFF
    mrs x1, currentel
    cmp x1, #8
    b.ne 2f
    /* EL2: nothing of EL1 is trapped, its timer has no offset, and it sees the real processor. */
    constant x1, SCTLR_EL2_OFF
    msr sctlr_el2, x1
    isb
    mov x1, #1
    lsl x1, x1, #31 /* EL1 is AArch64 */
    msr hcr_el2, x1
    isb
    msr sctlr_el1, x0
    mov x1, #0x33FF
    msr cptr_el2, x1
    msr hstr_el2, xzr
    mov x1, #3
    msr cnthctl_el2, x1
    msr cntvoff_el2, xzr
    mrs x1, midr_el1
    msr vpidr_el2, x1
    mrs x1, mpidr_el1
    msr vmpidr_el2, x1
    mrs x1, id_aa64pfr0_el1
    ubfx x1, x1, #24, #4
    cbz x1, 1f
    mrs x1, s3_4_c12_c9_5 /* ICC_SRE_EL2: EL1 may use the GIC's system registers */
    mov x2, #9
    orr x1, x1, x2
    msr s3_4_c12_c9_5, x1
1:  mov x1, #0x3C4 /* EL1 on SP_EL0, all interrupts masked */
    msr spsr_el2, x1
    adr x1, 3f
    msr elr_el2, x1
    isb
    eret
2:  msr sctlr_el1, x0
    msr spsel, #0
3:  isb
    msr cntp_ctl_el0, xzr /* firmware may have left them on */
    msr cntv_ctl_el0, xzr
    mov x0, #CPACR_FP
    msr cpacr_el1, x0
    isb
    msr fpcr, xzr /* round to nearest, denormals are kept, no traps */
    msr fpsr, xzr
    address x0, kg_vectors
    msr vbar_el1, x0
    isb
    ret x3
    .size enter_el1, . - enter_el1

    /* Switches the MMU on with the tables at X0. Changes X0 to X2. */
    .type enable_mmu, @function
enable_mmu:
    constant x1, MAIR_VALUE
    msr mair_el1, x1
    constant x1, TCR_VALUE
    mrs x2, id_aa64mmfr0_el1
    and x2, x2, #15
    cmp x2, #5 /* 48 bits: what our tables can hold */
    b.ls 1f
    mov x2, #5
1:  orr x1, x1, x2, lsl #32
    msr tcr_el1, x1
    msr ttbr0_el1, x0
    dsb sy
    tlbi vmalle1
    ic iallu
    dsb sy
    isb
    constant x1, SCTLR_ON
    msr sctlr_el1, x1
    isb
    ret
    .size enable_mmu, . - enable_mmu

    /* Other processors, started by PSCI: X0 is the address of a struct kg_ap_start (platform/aarch64/smp.c), which is
     * not in a cache. */
    .globl kg_entry_other
    .type kg_entry_other, @function
kg_entry_other:
    mov x20, x0
    bl enter_el1
    ldr x0, [x20]
    bl enable_mmu
    ldp x0, x1, [x20, #8]
    msr spsel, #1
    mov sp, x1
    msr spsel, #0
    mov sp, x0
    ldr x0, [x20, #24]
    msr tpidr_el1, x0
    mov x29, #0
    mov x30, #0
    bl kg_ap_main
    brk #0
    .size kg_entry_other, . - kg_entry_other

    /* void kg_entry_replace(uint64_t *entry, uint64_t value): replaces an entry of tables in use. Between two valid
     * entries there must be an invalid one ("break before make"), and the entry may lie in memory that it maps: so the
     * MMU is off meanwhile. The stack is not used. */
    .globl kg_entry_replace
    .type kg_entry_replace, @function
kg_entry_replace:
    mrs x3, daif
    msr daifset, #0xF
    dc civac, x0
    dsb sy
    mrs x2, sctlr_el1
    constant x4, SCTLR_OFF
    msr sctlr_el1, x4
    isb
    str xzr, [x0]
    dsb sy
    tlbi vmalle1is
    dsb sy
    str x1, [x0]
    dsb sy
    msr sctlr_el1, x2
    isb
    msr daif, x3
    ret
    .size kg_entry_replace, . - kg_entry_replace

    .section .data.boot, "aw", @progbits
    .balign 8
    .globl kg_ticks_entry
kg_ticks_entry:
    .quad 0
link_address:
    .quad kg_image_start

    /* Guard pages below both stacks: paging.c unmaps them. */
    .section .stacks, "aw", @progbits
    .balign 4096
    .globl kg_stack_guard, kg_stack_top, kg_ist_guard, kg_ist_top
kg_stack_guard:
    .skip 4096
    .skip 65536
kg_stack_top:
kg_ist_guard:
    .skip 4096
    .skip 16384
kg_ist_top:
boot_l0:
    .skip 4096
boot_l1:
    identity_map 512, 30, BLOCK_REGISTERS

    .section .note.GNU-stack, "", @progbits
