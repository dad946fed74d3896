/* One clock: the TSC. Its frequency from CPUID where the CPU states it, else measured against the PIT. */
#include "io.h"
#include "kgpt/platform.h"

#define PIT_HZ 1193182u
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define GATE_ON 0x01
#define SPEAKER_ON 0x02
#define OUTPUT_HIGH 0x20

#define CALIBRATION_COUNT 11932u /* 10 ms */
#define MAX_SPINS 1000000u

#define CPUID_HYPERVISOR_TIMING 0x40000010u

uint64_t plat_ticks(void) {
    return kg_rdtsc();
}

/* SDM 2A, CPUID leaf 15h: TSC = crystal * EBX / EAX, with the crystal's frequency in ECX where it is known. */
static uint64_t hz_from_cpuid(void) {
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    if (r[0] >= 0x15) {
        kg_cpuid(0x15, 0, r);
        if (r[0] && r[1] && r[2]) return (uint64_t)r[2] * r[1] / r[0];
    }
    kg_cpuid(1, 0, r);
    if (!(r[2] >> 31)) return 0;
    kg_cpuid(0x40000000u, 0, r);
    if (r[0] < CPUID_HYPERVISOR_TIMING || r[0] > 0x400000FFu) return 0;
    kg_cpuid(CPUID_HYPERVISOR_TIMING, 0, r);
    return (uint64_t)r[0] * 1000;
}

/* Counts TSC ticks while PIT channel 2 counts down once. A machine without a PIT never raises the output, or has it high at
 * once: both are noticed, and the frequency stays unknown. */
static uint64_t hz_from_pit(void) {
    uint8_t gate = kg_inb(PIT_GATE);
    kg_outb(PIT_GATE, (uint8_t)((gate & ~SPEAKER_ON) | GATE_ON));
    kg_outb(PIT_COMMAND, 0xB0); /* channel 2, low then high byte, mode 0 */
    kg_outb(PIT_CHANNEL2, (uint8_t)CALIBRATION_COUNT);
    kg_outb(PIT_CHANNEL2, (uint8_t)(CALIBRATION_COUNT >> 8));
    uint64_t start = kg_rdtsc();
    unsigned spins = 0;
    while (!(kg_inb(PIT_GATE) & OUTPUT_HIGH) && spins < MAX_SPINS) spins++;
    uint64_t ticks = kg_rdtsc() - start;
    kg_outb(PIT_GATE, gate);
    return spins < 2 || spins == MAX_SPINS ? 0 : ticks * PIT_HZ / CALIBRATION_COUNT;
}

uint64_t plat_ticks_hz(void) {
    static uint64_t hz;
    static bool known;
    if (known) return hz;
    known = true;
    hz = hz_from_cpuid();
    if (hz == 0) hz = hz_from_pit();
    return hz;
}

static bool hardware_random(uint64_t *value, uint32_t features) {
    unsigned char good = 0;
    for (int i = 0; i < 16 && !good; i++) { /* SDM 1, 7.3.17: ten tries suffice unless the unit is broken */
        if (features & KG_CPU_RDSEED)
            __asm__ volatile("rdseed %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
        else if (features & KG_CPU_RDRAND)
            __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
    }
    return good;
}

bool plat_entropy(uint64_t *value) {
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    if (hardware_random(value, cpu.features)) return true;
    *value = kg_rdtsc();
    return false;
}
