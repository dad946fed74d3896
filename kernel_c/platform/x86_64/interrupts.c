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
extern char kg_isr_wake[], kg_isr_timer[], kg_isr_serial[], kg_isr_keyboard[], kg_isr_spurious[];

static struct gate idt[KG_N_VECTORS];

__attribute__((noinline)) static void set_gate(int vector, uint64_t offset, uint8_t ist)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)offset,
        .selector = KG_GDT_CODE,
        .ist = ist,
        .type = 0x8E, /* present, ring 0, interrupt gate */
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

void kg_interrupts_init(void)
{
    for (int i = 0; i < KG_N_EXCEPTIONS; i++) {
        set_gate(i, kg_isr_table[i], 1);
    }
    for (int i = KG_N_EXCEPTIONS; i < KG_N_VECTORS; i++) {
        set_gate(i, (uintptr_t)kg_isr_wake, 0); /* on the stack of the interrupted code */
    }
    set_gate(KG_VECTOR_TIMER, (uintptr_t)kg_isr_timer, 0);
    set_gate(KG_VECTOR_KEYBOARD, (uintptr_t)kg_isr_keyboard, 0);
    set_gate(KG_VECTOR_SERIAL, (uintptr_t)kg_isr_serial, 0);
    set_gate(KG_VECTOR_SPURIOUS, (uintptr_t)kg_isr_spurious, 0);
}

void kg_interrupts_load(void)
{
    struct idt_pointer pointer = {sizeof idt - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
