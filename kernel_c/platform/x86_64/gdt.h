/* Segments, and the task state segment, which 64-bit mode needs only for interrupt stacks. */
#ifndef KGPT_X86_64_GDT_H
#define KGPT_X86_64_GDT_H

#include <stdint.h>

#define KG_GDT_CODE 0x08
#define KG_GDT_DATA 0x10
#define KG_GDT_TSS 0x18

struct kg_tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, iomap_base;
} __attribute__((packed));

/* One for each processor, because each needs its own interrupt stacks. */
struct kg_segments {
    uint64_t gdt[5];
    struct kg_tss tss;
};

/* Fills `segments` and loads them on this processor. Exceptions use the stack that ends at `interrupt_stack`. */
void kg_gdt_load(struct kg_segments *segments, void *interrupt_stack);

#endif
