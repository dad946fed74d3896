/* Random bits from the processor, otherwise from a device. */
#include <stddef.h>

#include "io.h"
#include "kgpt/cpu.h"
#include "kgpt/device.h"
#include "kgpt/platform.h"

static bool hardware_random(uint64_t *value, uint32_t features)
{
    unsigned char good = 0;
    for (int i = 0; i < 16 && !good; i++) { /* SDM 1, 7.3.17: ten tries suffice unless the unit is broken */
        if (features & KG_CPU_RDSEED) {
            __asm__ volatile("rdseed %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
        } else if (features & KG_CPU_RDRAND) {
            __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
        }
    }
    return good;
}

/* An odd constant: the caller mixes the value with the clock; mixing the clock with itself would leave few bits. */
#define SPREAD 0x9E3779B97F4A7C15u

bool plat_entropy(uint64_t *value)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    if (hardware_random(value, cpu.features)) {
        return true;
    }
    struct kg_unit *unit = kg_unit_find(KG_UNIT_ENTROPY, 0);
    if (unit && unit->entropy.read(unit, value, sizeof *value) == sizeof *value) {
        return true;
    }
    *value = kg_rdtsc() * SPREAD;
    return false;
}
