/* Entry from the three boot protocols to 64-bit C. All start the kernel in 32-bit protected mode without paging.
 * They differ in the location of the boot information, which kg_start receives.
 *
 * Multiboot 0.6.96, Multiboot2 2.0, and Xen's PVH (docs/misc/pvh.pandoc). */
#include "identity.h"
#include "modes.h"

#define MULTIBOOT1_HEADER_MAGIC 0x1BADB002
#define MULTIBOOT1_FLAGS        0x00010003 /* align modules, memory information, a.out address fields */
#define MULTIBOOT2_HEADER_MAGIC 0xE85250D6
#define PVH_START_MAGIC         0x336EC578
#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* Bits of entries of page tables. */
#define PRESENT_WRITABLE 0x03
#define LARGE            0x80

    .section .boot.headers, "ax", @progbits
    .balign 8
    .globl kg_multiboot1_header
kg_multiboot1_header:
    .long MULTIBOOT1_HEADER_MAGIC
    .long MULTIBOOT1_FLAGS
    .long -(MULTIBOOT1_HEADER_MAGIC + MULTIBOOT1_FLAGS)
    .long kg_multiboot1_header /* header_addr */
    .long kg_image_start       /* load_addr */
    .long kg_image_end /* load_end_addr; `kgpt pack` updates it */
    .long 0 /* bss_end_addr: bss is part of the file */
    .long kg_entry_multiboot

    .balign 8
    .globl kg_multiboot2_header
kg_multiboot2_header:
    .long MULTIBOOT2_HEADER_MAGIC
    .long 0 /* i386, protected mode */
    .long kg_multiboot2_end - kg_multiboot2_header
    .long -(MULTIBOOT2_HEADER_MAGIC + (kg_multiboot2_end - kg_multiboot2_header))
    .short 5, 1 /* framebuffer, optional: text mode is accepted */
    .long 20
    .long 1024, 768, 32 /* overridden by the boot menu; otherwise GRUB falls back to another mode */
    .balign 8
    .short 0, 0 /* end tag */
    .long 8
kg_multiboot2_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long kg_entry_pvh

    .section .boot.text, "ax", @progbits
    .code32
    .globl kg_entry_pvh
    .type kg_entry_pvh, @function
kg_entry_pvh:
    movl $PVH_START_MAGIC, %eax
    .globl kg_entry_multiboot
    .type kg_entry_multiboot, @function
kg_entry_multiboot:
    cli
    cld
    movl %eax, %edi /* magic: first argument of kg_start */
    movl %ebx, %esi /* boot information: second */
    rdtsc
    movl %eax, kg_ticks_entry
    movl %edx, kg_ticks_entry + 4
    movl $kg_stack_top, %esp

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    andl $0x20100000, %edx /* LM and NX */
    cmpl $0x20100000, %edx
    jne no_long_mode

    movl $CR4_BOOT, %eax
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $EFER_BOOT, %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_BOOT, %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $kg_stack_top, %esp
    movl %edi, %edi /* the mode switch leaves the upper halves undefined */
    movl %esi, %esi
    xorl %ebp, %ebp /* ends back-traces */
    call kg_start
    ud2

    /* No long mode: report on screen, serial port and machine channel, and exit with KG_EXIT_REFUSED. */
    .code32
no_long_mode:
    movl $no_long_mode_text, %esi
    movl $0xB8000, %edi
    movw $0x3F8, %dx
1:  lodsb
    testb %al, %al
    jz 2f
    outb %al, %dx
    movb $0x0F, %ah
    stosw
    jmp 1b
2:  movl $no_long_mode_events, %esi
    movl $(no_long_mode_events_end - no_long_mode_events), %ecx
    movw $0xE9, %dx
    rep outsb
    movl $33, %eax
    movw $0xF4, %dx
    outl %eax, %dx
3:  hlt
    jmp 3b
no_long_mode_text:
    .asciz "kgpt: error: this processor has no 64-bit mode with NX; kgpt needs an x86_64 one\r\n"
no_long_mode_events:
    .ascii "{\"event\":\"error\",\"message\":\"this processor has no 64-bit mode with NX\","
    .ascii "\"hint\":\"use an x86_64 processor\"}\n"
    .ascii "{\"event\":\"exit\",\"code\":1,\"reason\":\"refused\"}\n"
no_long_mode_events_end:

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209A0000000000 /* 64-bit code; gdt.c replaces this table */
boot_gdt_pointer:
    .short 15
    .long boot_gdt

    .section .data.boot, "aw", @progbits
    .balign 8
    .globl kg_ticks_entry
kg_ticks_entry:
    .quad 0

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
    /* Identity map of the first 4 GiB in 2 MiB pages, until paging.c has read the memory map. */
boot_pml4:
    .quad boot_pdpt + PRESENT_WRITABLE
    .skip 4096 - 8
boot_pdpt:
    .quad boot_pd + PRESENT_WRITABLE
    .quad boot_pd + 0x1000 + PRESENT_WRITABLE
    .quad boot_pd + 0x2000 + PRESENT_WRITABLE
    .quad boot_pd + 0x3000 + PRESENT_WRITABLE
    .skip 4096 - 32
boot_pd:
    identity_map 2048, 21, (PRESENT_WRITABLE | LARGE)

    .section .note.GNU-stack, "", @progbits
