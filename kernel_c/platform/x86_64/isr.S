/* Interrupt entries. For an exception: push a zero if the CPU pushes no error code, save the registers, panic. */
    .text
    .macro isr vector, has_error
    .type kg_isr_\vector, @function
kg_isr_\vector:
    .if \has_error == 0
    pushq $0
    .endif
    pushq $\vector
    jmp isr_common
    .size kg_isr_\vector, . - kg_isr_\vector
    .endm

    .macro isr_address vector
    .quad kg_isr_\vector
    .endm

    /* Vectors with an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX (SDM 3A, table 6-1; APM 2, 8.2) */
    .irp vector, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31
    isr \vector, 0
    .endr
    .irp vector, 8,10,11,12,13,14,17,21,29,30
    isr \vector, 1
    .endr

    .type isr_common, @function
isr_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    andq $-16, %rsp
    call kg_exception
    ud2
    .size isr_common, . - isr_common

    /* Saves the nine caller-saved registers, calls a handler, and returns from the interrupt. */
    .macro answer function
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    cld
    call \function
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    iretq
    .endm

    /* Timer, serial port, keyboard: the handler in platform/pc stores input. */
    .globl kg_isr_timer, kg_isr_serial, kg_isr_keyboard
    .type kg_isr_timer, @function
kg_isr_timer:
    incl kg_timer_ticks
    jmp kg_isr_keyboard
    .size kg_isr_timer, . - kg_isr_timer
    .type kg_isr_serial, @function
kg_isr_serial:
    movb $1, kg_serial_woke
    .size kg_isr_serial, . - kg_isr_serial
    .type kg_isr_keyboard, @function
kg_isr_keyboard:
    answer kg_interrupt_input
    .size kg_isr_keyboard, . - kg_isr_keyboard

    /* Only ends a sleep. Interrupts are disabled on return (bit 9 of the flags): an unserviced device would
     * interrupt again and again. */
    .globl kg_isr_wake
    .type kg_isr_wake, @function
kg_isr_wake:
    andq $~0x200, 16(%rsp)
    answer kg_apic_end_of_interrupt
    .size kg_isr_wake, . - kg_isr_wake

    /* Spurious interrupts are not acknowledged (SDM 3A, 11.9). */
    .globl kg_isr_spurious
    .type kg_isr_spurious, @function
kg_isr_spurious:
    andq $~0x200, 16(%rsp)
    iretq
    .size kg_isr_spurious, . - kg_isr_spurious

    .section .rodata
    .balign 8
    .globl kg_isr_table
kg_isr_table:
    .irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    isr_address \vector
    .endr

    .section .note.GNU-stack, "", @progbits
