/* One clock: the TSC. Its frequency from CPUID where the CPU states it, else measured against the PIT. */
#include "timer.h"

#include "io.h"
#include "kgpt/platform.h"

#define PIT_HZ 1193182u
#define PIT_CHANNEL0 0x40
#define PIT_COMMAND 0x43
#define CHANNEL0_MODE0 0x30   /* low then high byte, interrupt on terminal count */
#define READ_BACK_STATUS 0xE2 /* of channel 0 */
#define OUTPUT_HIGH 0x80

#define CALIBRATION_COUNT 11932u /* 10 ms */
#define MAX_SPINS 1000000u

#define CPUID_HYPERVISOR_TIMING 0x40000010u

uint64_t plat_ticks(void)
{
    return kg_rdtsc();
}

/* SDM 2A, CPUID leaf 15h: TSC = crystal * EBX / EAX, with the crystal's frequency in ECX where it is known. */
static uint64_t hz_from_cpuid(void)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    if (r[0] >= 0x15) {
        kg_cpuid(0x15, 0, r);
        if (r[0] && r[1] && r[2])
            return (uint64_t)r[2] * r[1] / r[0];
    }
    kg_cpuid(1, 0, r);
    if (!(r[2] >> 31))
        return 0;
    kg_cpuid(0x40000000u, 0, r);
    if (r[0] < CPUID_HYPERVISOR_TIMING || r[0] > 0x400000FFu)
        return 0;
    kg_cpuid(CPUID_HYPERVISOR_TIMING, 0, r);
    return (uint64_t)r[0] * 1000;
}

/* Counts TSC ticks while the PIT counts down once. Channel 0, since microvm has no port 0x61 to gate channel 2 with, and with
 * interrupts off its own goes nowhere. A machine without a PIT never raises the output, or has it high at once: both are
 * noticed, and the frequency stays unknown. */
static uint64_t hz_from_pit(void)
{
    kg_outb(PIT_COMMAND, CHANNEL0_MODE0);
    kg_outb(PIT_CHANNEL0, (uint8_t)CALIBRATION_COUNT);
    kg_outb(PIT_CHANNEL0, (uint8_t)(CALIBRATION_COUNT >> 8));
    uint64_t start = kg_rdtsc();
    unsigned spins = 0;
    do {
        kg_outb(PIT_COMMAND, READ_BACK_STATUS);
    } while (!(kg_inb(PIT_CHANNEL0) & OUTPUT_HIGH) && ++spins < MAX_SPINS);
    uint64_t ticks = kg_rdtsc() - start;
    return spins < 2 || spins == MAX_SPINS ? 0 : ticks * PIT_HZ / CALIBRATION_COUNT;
}

uint64_t plat_ticks_hz(void)
{
    static uint64_t hz;
    static bool known;
    if (known)
        return hz;
    known = true;
    hz = hz_from_cpuid();
    if (hz == 0)
        hz = hz_from_pit();
    return hz;
}

/* A read of port 0x80, which nobody answers, takes about a microsecond on every PC, and more in a virtual one. */
void kg_delay_us(uint32_t us)
{
    uint64_t hz = plat_ticks_hz(), start = kg_rdtsc(), ticks = hz / 1000000 * us;
    if (hz == 0) {
        while (us-- > 0)
            kg_inb(0x80);
        return;
    }
    while (kg_rdtsc() - start < ticks)
        kg_pause();
}

static bool hardware_random(uint64_t *value, uint32_t features)
{
    unsigned char good = 0;
    for (int i = 0; i < 16 && !good; i++) { /* SDM 1, 7.3.17: ten tries suffice unless the unit is broken */
        if (features & KG_CPU_RDSEED)
            __asm__ volatile("rdseed %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
        else if (features & KG_CPU_RDRAND)
            __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
    }
    return good;
}

bool plat_entropy(uint64_t *value)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    if (hardware_random(value, cpu.features))
        return true;
    *value = kg_rdtsc();
    return false;
}
