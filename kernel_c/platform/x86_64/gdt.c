#include "gdt.h"

struct gdt_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void kg_gdt_load(struct kg_segments *segments, void *interrupt_stack)
{
    struct kg_tss *tss = &segments->tss;
    uint64_t *gdt = segments->gdt, base = (uintptr_t)tss, limit = sizeof *tss - 1;
    tss->ist[0] = (uintptr_t)interrupt_stack; /* IST 1, for all exceptions: a stack overflow can still be reported */
    tss->iomap_base = sizeof *tss;
    gdt[KG_GDT_CODE / 8] =
        0x00AF9B000000FFFF; /* long mode, ring 0; accessed bit set, so that the CPU does not write it */
    gdt[KG_GDT_DATA / 8] = 0x00CF93000000FFFF;
    gdt[KG_GDT_TSS / 8] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    gdt[KG_GDT_TSS / 8 + 1] = base >> 32;
    struct gdt_pointer pointer = {sizeof segments->gdt - 1, (uintptr_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(pointer), "i"(KG_GDT_CODE), "i"(KG_GDT_DATA), "i"(KG_GDT_TSS)
                     : "rax", "memory");
}
