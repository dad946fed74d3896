/* Exception vectors (Arm Architecture Reference Manual, D1.3.1). The kernel runs on SP_EL0, so the first group is for
 * exceptions of the kernel, and the second, on SP_EL1, for those of a handler. */
#define FRAME 288 /* struct kg_frame of exceptions.h */
#define SAVED 176

    .text
    .macro panic_vector kind
    .balign 0x80
    sub sp, sp, #FRAME
    stp x0, x1, [sp]
    mov x1, #\kind
    b save_and_panic
    .endm

    .macro interrupt_vector
    .balign 0x80
    b save_and_answer
    .endm

    .balign 0x800
    .globl kg_vectors
kg_vectors:
    panic_vector 0 /* synchronous */
    interrupt_vector
    panic_vector 2 /* FIQ */
    panic_vector 3 /* SError */
    panic_vector 0
    panic_vector 1
    panic_vector 2
    panic_vector 3
    /* EL0 is not used. */
    .rept 8
    panic_vector 4
    .endr

    .balign 0x80
    .type save_and_panic, @function
save_and_panic:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x2, sp_el0
    stp x30, x2, [sp, #240]
    mrs x2, elr_el1
    mrs x3, spsr_el1
    stp x2, x3, [sp, #256]
    mrs x2, esr_el1
    mrs x3, far_el1
    stp x2, x3, [sp, #272]
    mov x0, sp
    bl kg_exception
    brk #0
    .size save_and_panic, . - save_and_panic

    /* Saves what a function may change but for the FP registers, which the handler does not use. */
    .type save_and_answer, @function
save_and_answer:
    sub sp, sp, #SAVED
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x29, [sp, #144]
    str x30, [sp, #160]
    mov x29, #0
    bl kg_interrupt
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x29, [sp, #144]
    ldr x30, [sp, #160]
    ldp x0, x1, [sp], #SAVED
    eret
    .size save_and_answer, . - save_and_answer

    .section .note.GNU-stack, "", @progbits
