/* Segments and the task state segment, which 64-bit mode needs only for the interrupt stack. */
#ifndef KGPT_X86_64_GDT_H
#define KGPT_X86_64_GDT_H

#define KG_GDT_CODE 0x08
#define KG_GDT_DATA 0x10
#define KG_GDT_TSS 0x18

void kg_gdt_load(void);

#endif
