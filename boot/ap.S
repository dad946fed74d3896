/* How the other processors start: the code that a startup IPI sends them to, from real mode to kg_ap_main. */
#include "modes.h"

#define CODE64 0x08
#define DATA   0x10
#define CODE32 0x18

    /* smp.c copies what lies between kg_ap_begin and kg_ap_end to a page below 1 MiB, fills in three fields, and makes it
     * read-only. Nothing is written here, so any number of processors can run through it at once. */
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
    shll $4, %ebx /* its address, kept */
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

    /* With the accessed bits set: the processor need not write to this page once it is read-only. */
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
    .long protected - kg_ap_begin /* likewise */
    .short CODE32
    .balign 4
kg_ap_root:
    .long 0 /* CR3 */
kg_ap_end:

    /* In the kernel's own text. A processor knows itself by its APIC id, and takes the stack that is listed for it:
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
    movl $0xB, %eax /* EDX: all 32 bits of the id */
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 2f
1:  movl $1, %eax /* EBX: 8 bits of it, uppermost */
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
    xorl %ebp, %ebp /* ends every back-trace */
    call kg_ap_main /* (number in the list) */
    ud2
5:  cli /* nobody asked for this one */
    hlt
    jmp 5b
    .size ap_entry, . - ap_entry

    .section .note.GNU-stack, "", @progbits
