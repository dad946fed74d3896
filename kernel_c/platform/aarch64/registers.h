/* System registers and instructions, one function each. */
#ifndef KGPT_AARCH64_REGISTERS_H
#define KGPT_AARCH64_REGISTERS_H

#include <stdint.h>

#define KG_READ_REGISTER(name)                                            \
    ({                                                                    \
        uint64_t kg_value;                                                \
        __asm__ volatile("mrs %0, " #name : "=r"(kg_value) : : "memory"); \
        kg_value;                                                         \
    })
#define KG_WRITE_REGISTER(name, value) __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")

static inline void kg_isb(void)
{
    __asm__ volatile("isb" : : : "memory");
}

static inline void kg_dsb(void)
{
    __asm__ volatile("dsb sy" : : : "memory");
}

static inline void kg_irq_off(void)
{
    __asm__ volatile("msr daifset, #2" : : : "memory");
}

static inline void kg_irq_on(void)
{
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}

/* Disables interrupts until kg_irq_restore, which enables them only if they were enabled. */
static inline uint64_t kg_irq_save(void)
{
    uint64_t flags = KG_READ_REGISTER(daif);
    kg_irq_off();
    return flags;
}

static inline void kg_irq_restore(uint64_t flags)
{
    KG_WRITE_REGISTER(daif, flags);
}

static inline void kg_yield(void)
{
    __asm__ volatile("yield");
}

/* Halts this processor forever. */
_Noreturn static inline void kg_arm_halt(void)
{
    __asm__ volatile("msr daifset, #0xF" : : : "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

#endif
