/* The entry of kgpt.efi for loaders of Linux kernels, which take the whole file as an image: MMU off, the device tree's
 * address in X0. Moves the kernel's addresses to where the file lies, and starts the kernel. */
#define KERNEL_OFFSET 0x60 /* struct kg_uefi_stub of loader.h */
#define KERNEL_LINKED 0x68
#define KERNEL_ENTRY 0x6C
#define ADDRESSES_OFFSET 0x70
#define N_ADDRESSES32 0x74
#define N_ADDRESSES64 0x78

    .section .text.kept, "ax", @progbits
    .balign 4
    .globl kg_uefi_linux_entry
    .hidden kg_uefi_linux_entry
    .type kg_uefi_linux_entry, @function
kg_uefi_linux_entry:
    adrp x9, kg_uefi_file
    ldr w10, [x9, #KERNEL_OFFSET]
    add x10, x9, x10 /* the kernel */
    ldr w11, [x9, #KERNEL_LINKED]
    sub x11, x10, x11 /* the distance */
    ldr w12, [x9, #ADDRESSES_OFFSET]
    ldr w13, [x9, #N_ADDRESSES32] /* the kernel has none: kgpt_build/kernel/efi.py */
    add x12, x12, x13, lsl #2
    add x12, x9, x12
    ldr w13, [x9, #N_ADDRESSES64]
    cbz w13, 2f
1:  ldr w14, [x12], #4
    add x14, x10, x14
    ldr x15, [x14]
    add x15, x15, x11
    str x15, [x14]
    dc ivac, x14 /* a line that was cleaned would hide what was written beside the cache */
    sub w13, w13, #1
    cbnz w13, 1b
2:  dsb sy
    ic iallu
    dsb sy
    isb
    ldr w14, [x9, #KERNEL_ENTRY]
    add x14, x14, x11
    mov x1, #0
    mov x2, #0
    mov x3, #0
    br x14
    .size kg_uefi_linux_entry, . - kg_uefi_linux_entry

    .section .note.GNU-stack, "", @progbits
