/* From the firmware's 64-bit mode to the kernel's entry in 32-bit protected mode. The kernel clears CR4.LA57 (5-level
 * paging), and that is possible only with paging off. This code is copied to a page below 4 GiB, which is mapped to
 * itself. The page behind it is the stack. */
#include "platform/boot/uefi_magic.h"

#define CR4_KEPT 0x20 /* PAE alone: without PCIDE, since paging cannot end with it */

    .text
    .code64
    .globl kg_uefi_enter
    .hidden kg_uefi_enter
    .type kg_uefi_enter, @function
kg_uefi_enter: /* ramp, entry, info */
    cli
    cld
    jmpq *%rdi
    .size kg_uefi_enter, . - kg_uefi_enter

    .section .rodata
    .balign 16
    .globl kg_uefi_ramp_begin, kg_uefi_ramp_end
    .hidden kg_uefi_ramp_begin, kg_uefi_ramp_end
kg_uefi_ramp_begin:
    movq %rdi, %rbx /* the page */
    leaq 8192(%rbx), %rsp /* the next page */
    movl %esi, %ebp /* entry */
    movl %edx, %esi /* handover */

    leaq gdt - kg_uefi_ramp_begin(%rbx), %rax
    subq $16, %rsp
    movw $23, (%rsp)
    movq %rax, 2(%rsp)
    lgdt (%rsp)
    movq %cr4, %rax
    andq $~0x20000, %rax /* PCIDE */
    movq %cr3, %rcx
    andq $~0xFFF, %rcx
    movq %rcx, %cr3
    movq %rax, %cr4
    pushq $8
    leaq protected - kg_uefi_ramp_begin(%rbx), %rax
    pushq %rax
    lretq

    .code32
protected:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl %cr0, %eax
    andl $0x7FFFFFFF, %eax /* PG */
    movl %eax, %cr0
    movl $CR4_KEPT, %eax
    movl %eax, %cr4
    movl $0xC0000080, %ecx /* EFER */
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    movl %esi, %ebx
    movl $KG_UEFI_MAGIC, %eax
    jmp *%ebp

    .balign 8
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF /* 32-bit code, accessed: the processor need not write */
    .quad 0x00CF93000000FFFF /* data */
kg_uefi_ramp_end:

    .section .note.GNU-stack, "", @progbits
