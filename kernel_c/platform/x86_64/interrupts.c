#include "interrupts.h"

#include "gdt.h"

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct idt_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const uint64_t kg_isr_table[KG_N_EXCEPTIONS];

static struct gate idt[KG_N_EXCEPTIONS];

void kg_interrupts_load(void)
{
    for (int i = 0; i < KG_N_EXCEPTIONS; i++) {
        uint64_t offset = kg_isr_table[i];
        idt[i] = (struct gate){
            .offset_low = (uint16_t)offset,
            .selector = KG_GDT_CODE,
            .ist = 1,
            .type = 0x8E, /* present, ring 0, interrupt gate */
            .offset_middle = (uint16_t)(offset >> 16),
            .offset_high = (uint32_t)(offset >> 32),
        };
    }
    struct idt_pointer pointer = {sizeof idt - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
