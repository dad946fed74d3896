#include "apic.h"

#include <stddef.h>

#include "interrupts.h"
#include "io.h"
#include "paging.h"
#include "platform/common/memory.h"

#define MSR_APIC_BASE 0x1B
#define APIC_ENABLED (1ull << 11)
#define APIC_X2 (1ull << 10)
#define APIC_ADDRESS 0x000FFFFFFFFFF000ull
#define MSR_X2APIC 0x800 /* register at offset r of the memory page is MSR 0x800 + r / 16 */

enum {
    TASK_PRIORITY = 0x80,
    END_OF_INTERRUPT = 0xB0,
    SPURIOUS_VECTOR = 0xF0,
    IN_SERVICE = 0x100, /* eight words of 32 vectors each */
    IN_SERVICE_END = 0x180,
    COMMAND = 0x300,
    COMMAND_HIGH = 0x310, /* not in x2APIC mode, where the command register has 64 bits */
    TIMER_VECTOR = 0x320,
    PIN_VECTOR = 0x350, /* LINT0, to which the 8259 may be wired */
    TIMER_COUNT = 0x380,
    TIMER_LEFT = 0x390,
    TIMER_DIVISOR = 0x3E0,
};
#define SOFTWARE_ENABLE 0x100u
#define FROM_8259 0x700u /* ExtINT: the 8259 supplies the vector */
#define DIVIDE_BY_16 3u
#define COMMAND_INIT 0x4500u    /* level asserted, edge-triggered */
#define COMMAND_STARTUP 0x4600u /* plus the number of the page */
#define COMMAND_FIXED 0x4000u   /* plus the vector */
#define TIMER_PERIODIC 0x20000u
#define COMMAND_PENDING 0x1000u
#define MAX_SPINS 100000

#define CPUID1_EDX_APIC (1u << 9)
#define CPUID1_ECX_X2APIC (1u << 21)

static volatile uint8_t *registers; /* NULL: x2APIC */

uint32_t kg_apic_id(void)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    if (r[0] >= 0xB) {
        kg_cpuid(0xB, 0, r);
        if (r[1]) {
            return r[3];
        }
    }
    kg_cpuid(1, 0, r);
    return r[1] >> 24;
}

__attribute__((noinline)) static uint32_t get_register(uint32_t at)
{
    return registers ? *(volatile uint32_t *)(registers + at) : (uint32_t)kg_rdmsr(MSR_X2APIC + at / 16);
}

__attribute__((noinline)) static void set_register(uint32_t at, uint32_t value)
{
    if (registers) {
        *(volatile uint32_t *)(registers + at) = value;
    } else {
        kg_wrmsr(MSR_X2APIC + at / 16, value);
    }
}

/* Returns the new value of MSR_APIC_BASE. Sets one bit at a time: the transition from disabled to x2APIC faults. */
static uint64_t switch_on(bool x2)
{
    uint64_t base = kg_rdmsr(MSR_APIC_BASE);
    if (!(base & APIC_ENABLED)) {
        kg_wrmsr(MSR_APIC_BASE, base |= APIC_ENABLED);
    }
    if (x2 && !(base & APIC_X2)) {
        kg_wrmsr(MSR_APIC_BASE, base |= APIC_X2);
    }
    return base;
}

static bool is_in_service(void)
{
    for (uint32_t at = IN_SERVICE; at < IN_SERVICE_END; at += 0x10) {
        if (get_register(at)) {
            return true;
        }
    }
    return false;
}

/* Ends interrupts that the firmware left in service: they would block all of lower or equal priority forever. */
static void let_through(void)
{
    set_register(TASK_PRIORITY, KG_PRIORITY_OURS);
    for (int i = 0; i < KG_N_VECTORS && is_in_service(); i++) {
        set_register(END_OF_INTERRUPT, 0);
    }
}

const char *kg_apic_init(uint32_t largest_id)
{
    uint32_t leaf1[4];
    kg_cpuid(1, 0, leaf1);
    if (!(leaf1[3] & CPUID1_EDX_APIC)) {
        return "the processor has no local APIC";
    }
    if (largest_id >= 0xFF && !(leaf1[2] & CPUID1_ECX_X2APIC)) {
        return "the processors need x2APIC, and this one has none";
    }
    uint64_t base = switch_on(largest_id >= 0xFF);
    registers = NULL;
    if (!(base & APIC_X2)) {
        uint64_t page = base & APIC_ADDRESS;
        if (!kg_paging_device(page)) {
            return "there is no memory for page tables";
        }
        registers = (volatile uint8_t *)page;
    }
    set_register(SPURIOUS_VECTOR, SOFTWARE_ENABLE | KG_VECTOR_SPURIOUS);
    set_register(PIN_VECTOR, FROM_8259); /* after enabling: a disabled APIC masks its pins (SDM 3A, 11.4.7.2) */
    let_through();
    return NULL;
}

const char *kg_apic_mode(void)
{
    return registers ? "xapic" : "x2apic";
}

bool kg_apic_join(void)
{
    uint64_t base = switch_on(!registers);
    if (registers && (base & APIC_X2)) {
        return false;
    }
    set_register(SPURIOUS_VECTOR, SOFTWARE_ENABLE | KG_VECTOR_SPURIOUS);
    return true;
}

/* The receiver must see all earlier writes: a write to an x2APIC MSR does not wait for them. */
static void send_command(uint32_t id, uint32_t command)
{
    __asm__ volatile("mfence; lfence" : : : "memory");
    if (!registers) {
        kg_wrmsr(MSR_X2APIC + COMMAND / 16, (uint64_t)id << 32 | command);
        return;
    }
    for (int i = 0; i < MAX_SPINS && (get_register(COMMAND) & COMMAND_PENDING); i++) {
        kg_pause();
    }
    set_register(COMMAND_HIGH, id << 24);
    set_register(COMMAND, command);
}

void kg_apic_send_init(uint32_t id)
{
    send_command(id, COMMAND_INIT);
}

void kg_apic_send_startup(uint32_t id, uint64_t page)
{
    send_command(id, COMMAND_STARTUP | (uint32_t)(page / KG_PAGE));
}

void kg_apic_send_wake(uint32_t id)
{
    send_command(id, COMMAND_FIXED | KG_VECTOR_WAKE);
}

void kg_apic_end_of_interrupt(void)
{
    set_register(END_OF_INTERRUPT, 0);
}

void kg_apic_timer(uint32_t count)
{
    set_register(TIMER_DIVISOR, DIVIDE_BY_16);
    set_register(TIMER_VECTOR, TIMER_PERIODIC | KG_VECTOR_TIMER);
    set_register(TIMER_COUNT, count);
}

uint32_t kg_apic_timer_left(void)
{
    return get_register(TIMER_LEFT);
}
