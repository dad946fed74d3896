/* Random bits from the processor, otherwise from a device. */
#include "kgpt/device.h"
#include "kgpt/platform.h"
#include "registers.h"

#define TRIES 16

/* RNDR, of Armv8.5: the flag Z says that there was none. */
static bool processor_random(uint64_t *value)
{
    uint64_t none = 1;
    if ((KG_READ_REGISTER(id_aa64isar0_el1) >> 60) == 0) {
        return false;
    }
    for (int i = 0; i < TRIES && none; i++) {
        __asm__ volatile("mrs %0, s3_3_c2_c4_0\n\tcset %1, eq" : "=r"(*value), "=r"(none) : : "cc");
    }
    return !none;
}

/* An odd constant: the caller mixes the value with the clock; mixing the clock with itself would leave few bits. */
#define SPREAD 0x9E3779B97F4A7C15u

bool plat_entropy(uint64_t *value)
{
    if (processor_random(value)) {
        return true;
    }
    struct kg_unit *unit = kg_unit_find(KG_UNIT_ENTROPY, 0);
    if (unit && unit->entropy.read(unit, value, sizeof *value) == sizeof *value) {
        return true;
    }
    *value = plat_ticks() * SPREAD;
    return false;
}
