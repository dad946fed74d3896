#include "gdt.h"

#include <stdint.h>

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, iomap_base;
} __attribute__((packed));

struct gdt_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern char kg_ist_top[];

static struct tss tss;
static uint64_t gdt[5] = {
    0,
    0x00AF9B000000FFFF, /* code: long mode, present, ring 0; accessed, so that the CPU need not write it */
    0x00CF93000000FFFF, /* data */
};

void kg_gdt_load(void)
{
    uint64_t base = (uintptr_t)&tss, limit = sizeof tss - 1;
    tss.ist[0] = (uintptr_t)kg_ist_top; /* IST 1: all exceptions, so that a stack overflow can still be reported */
    tss.iomap_base = sizeof tss;
    gdt[3] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    gdt[4] = base >> 32;
    struct gdt_pointer pointer = {sizeof gdt - 1, (uintptr_t)gdt};
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
