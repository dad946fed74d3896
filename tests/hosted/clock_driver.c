/* tsc.c and clock.c on a simulated machine, whose time advances when it is read, for ctypes. */
#include "../../kernel_c/platform/x86_64/io.h"

#include <stddef.h>

#include "kgpt/mem.h"

static uint64_t fake_tsc(void);
static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]);
static uint8_t fake_inb(uint16_t port);
#define kg_rdtsc fake_tsc
#define kg_cpuid fake_cpuid
#define kg_inb fake_inb
#include "../../kernel_c/platform/pc/clock.c"
#include "../../kernel_c/platform/x86_64/tsc.c"

enum kind { ABSENT, COUNTS, STANDS, JUMPS, STOPS };
#define STOPS_AFTER 300 /* reads */

struct counter {
    uint64_t kind, hz, mask;
    uint64_t tsc_hz; /* frequency that it reports; differs from the machine's if it is wrong */
    uint64_t reads;
};

struct machine {
    uint64_t tsc_hz;
    uint64_t ratio[3];                 /* CPUID 15h: EAX, EBX, ECX */
    uint64_t hypervisor_khz, base_mhz; /* 0: not reported */
    struct counter counters[3];        /* HPET, ACPI's timer, PIT */
    uint64_t stall_every,
        stall_ticks; /* after this many reads of counters, a stall of this many ticks, like an SMI or a VM exit */
    uint64_t now, reads, port_reads;
};

static struct machine *machine;

static uint64_t fake_tsc(void)
{
    return machine->now += 40;
}

static uint8_t fake_inb(uint16_t port)
{
    machine->port_reads += port == 0x80;
    return 0xFF;
}

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    (void)subleaf;
    memset(r, 0, 4 * sizeof *r);
    if (leaf == 0) {
        r[0] = 0x16;
    } else if (leaf == 1) {
        r[2] = machine->hypervisor_khz ? 1u << 31 : 0;
    } else if (leaf == 0x15) {
        for (int i = 0; i < 3; i++) {
            r[i] = (uint32_t)machine->ratio[i];
        }
    } else if (leaf == 0x16) {
        r[0] = (uint32_t)machine->base_mhz;
    } else if (leaf == 0x40000000) {
        r[0] = 0x40000010;
    } else if (leaf == 0x40000010) {
        r[0] = (uint32_t)machine->hypervisor_khz;
    }
}

static uint32_t read_counter(int which)
{
    struct counter *c = &machine->counters[which];
    machine->now += machine->tsc_hz / 1500000; /* latency of the device access */
    if (machine->stall_every && ++machine->reads % machine->stall_every == 0) {
        machine->now += machine->stall_ticks;
    }
    c->reads++;
    uint64_t at = c->kind == STANDS || (c->kind == STOPS && c->reads > STOPS_AFTER) ? 12345 : machine->now;
    uint64_t right = at / c->tsc_hz * c->hz + at % c->tsc_hz * c->hz / c->tsc_hz;
    uint64_t value = c->kind == JUMPS ? at * 0x9E3779B97F4A7C15u >> 7 : right;
    uint32_t result = (uint32_t)(value & c->mask);
    machine->now += machine->tsc_hz / 1500000;
    return result;
}

static uint32_t read_hpet(void)
{
    return read_counter(0);
}

static uint32_t read_pmtimer(void)
{
    return read_counter(1);
}

static uint32_t read_pit(void)
{
    return read_counter(2);
}

static bool open_counter(int which, uint32_t (*read)(void), struct kg_counter *counter)
{
    const struct counter *c = &machine->counters[which];
    *counter = (struct kg_counter){c->hz, (uint32_t)c->mask, read};
    return c->kind != ABSENT;
}

bool kg_hpet_open(struct kg_counter *counter)
{
    return open_counter(0, read_hpet, counter);
}

bool kg_pmtimer_open(struct kg_counter *counter)
{
    return open_counter(1, read_pmtimer, counter);
}

bool kg_pit_open(struct kg_counter *counter)
{
    return open_counter(2, read_pit, counter);
}

uint64_t driver_clock(struct machine *m, const char *only, char name[16]);
uint64_t driver_clock(struct machine *m, const char *only, char name[16])
{
    machine = m;
    known = false;
    wanted = "";
    if (*only) {
        plat_clock_use(only);
    }
    uint64_t hz = plat_ticks_hz(), reads = m->reads;
    m->reads = plat_ticks_hz() == hz ? reads : 0; /* the second call must read nothing */
    const char *from = plat_clock();
    for (size_t i = 0; i < 16; i++) {
        name[i] = *from;
        from += *from != '\0';
    }
    return hz;
}

/* Duration of a wait in ticks. */
uint64_t driver_delay(struct machine *m, uint32_t us);
uint64_t driver_delay(struct machine *m, uint32_t us)
{
    uint64_t start = m->now;
    plat_delay_us(us);
    return m->now - start;
}
