/* Startup of the other processors (APs): from the startup IPI in real mode to kg_ap_main. */
#include "modes.h"

#define CODE64 0x08
#define DATA   0x10
#define CODE32 0x18

    /* smp.c copies the code from kg_ap_begin to kg_ap_end to a page below 1 MiB, patches three fields, and makes the
     * page read-only. The code writes nothing, so processors can run it concurrently. */
    .section .rodata
    .code16
    .balign 16
    .globl kg_ap_begin, kg_ap_end, kg_ap_gdt_base, kg_ap_protected, kg_ap_root
kg_ap_begin:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds /* CS:0 is the start of the page */
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx /* EBX keeps the page's address */
    lgdtl gdt_pointer - kg_ap_begin
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl *(kg_ap_protected - kg_ap_begin)

    .code32
protected:
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %ss
    movl $CR4_BOOT, %eax
    movl %eax, %cr4
    movl kg_ap_root - kg_ap_begin(%ebx), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $EFER_BOOT, %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_BOOT, %eax
    movl %eax, %cr0
    ljmp $CODE64, $ap_entry

    /* The accessed bits are set in advance, because the processor cannot write them in a read-only page. */
    .balign 8
gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF /* CODE64 */
    .quad 0x00CF93000000FFFF /* DATA */
    .quad 0x00CF9B000000FFFF /* CODE32 */
gdt_pointer:
    .short 31
kg_ap_gdt_base:
    .long gdt - kg_ap_begin /* smp.c adds the page's address */
kg_ap_protected:
    .long protected - kg_ap_begin /* smp.c adds the page's address */
    .short CODE32
    .balign 4
kg_ap_root:
    .long 0 /* CR3 */
kg_ap_end:

    /* In the kernel's text. A processor finds its stack by its APIC id in the list
     * struct kg_ap_start { uint64_t stack_top; uint32_t id, unused; } kg_ap_list[kg_ap_count]. */
    .text
    .code64
    .type ap_entry, @function
ap_entry:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    cpuid
    cmpl $0xB, %eax
    jb 1f
    movl $0xB, %eax /* CPUID leaf 0Bh: EDX is the 32-bit x2APIC id */
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 2f
1:  movl $1, %eax /* CPUID leaf 1: the 8-bit APIC id is bits 31-24 of EBX */
    cpuid
    shrl $24, %ebx
    movl %ebx, %edx
2:  movq kg_ap_list, %rsi
    xorl %edi, %edi
3:  cmpl kg_ap_count, %edi
    jae 5f
    cmpl %edx, 8(%rsi)
    je 4f
    addq $16, %rsi
    incl %edi
    jmp 3b
4:  movq (%rsi), %rsp
    xorl %ebp, %ebp /* ends back-traces */
    call kg_ap_main /* argument: index in the list */
    ud2
5:  cli /* not in the list: stop */
    hlt
    jmp 5b
    .size ap_entry, . - ap_entry

    .section .note.GNU-stack, "", @progbits
