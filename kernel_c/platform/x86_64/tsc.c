/* The TSC as the clock: its frequency, from the processor, a hypervisor, or a measurement against a counter; and
 * delays. */
#include "tsc.h"

#include "io.h"
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/platform.h"

#define CPUID_TSC 0x15u
#define CPUID_FREQUENCY 0x16u
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TIMING 0x40000010u

#define WINDOWS_PER_SECOND 500 /* a measurement takes 2 ms */
#define MEASUREMENTS_MAX 5
#define MAX_SPINS 1000000u
/* Reads within which a counter must advance; a read takes at least 0.1 microseconds. */
#define MAX_STILL 1000u

#define AGREE_MEASURED 500 /* tolerance: one part in this many */

uint64_t plat_ticks(void)
{
    return kg_rdtsc();
}

bool kg_tsc_agree(uint64_t a, uint64_t b, uint64_t parts)
{
    return (a > b ? a - b : b - a) <= a / parts;
}

static bool has_tsc_leaf(uint32_t leaf)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    return r[0] >= leaf;
}

/* SDM 2A, CPUID leaf 15h: TSC = crystal * EBX / EAX; ECX is the crystal's frequency, if known. */
uint64_t kg_tsc_from_cpuid(void)
{
    uint32_t r[4];
    if (!has_tsc_leaf(CPUID_TSC)) {
        return 0;
    }
    kg_cpuid(CPUID_TSC, 0, r);
    return r[0] ? (uint64_t)r[2] * r[1] / r[0] : 0;
}

uint64_t kg_tsc_from_hypervisor(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    if (!(r[2] >> 31)) {
        return 0;
    }
    kg_cpuid(CPUID_HYPERVISOR, 0, r);
    if (r[0] < CPUID_HYPERVISOR_TIMING || r[0] > CPUID_HYPERVISOR + 0xFF) {
        return 0;
    }
    kg_cpuid(CPUID_HYPERVISOR_TIMING, 0, r);
    return (uint64_t)r[0] * 1000;
}

/* The processor's base frequency in MHz. If leaf 15h has a ratio but no crystal, it equals the TSC's frequency
 * except for rounding. */
uint64_t kg_tsc_from_base(void)
{
    uint32_t r[4];
    if (!has_tsc_leaf(CPUID_FREQUENCY)) {
        return 0;
    }
    kg_cpuid(CPUID_TSC, 0, r);
    bool ratio = r[0] && r[1];
    kg_cpuid(CPUID_FREQUENCY, 0, r);
    return ratio ? (uint64_t)(r[0] & 0xFFFF) * 1000000 : 0;
}

/* A simultaneous reading of counter and TSC. */
struct moment {
    uint64_t ticks;
    uint32_t count;
};

/* Read TSC, counter, TSC four times and keep the tightest bracket: an SMI or a VM exit stretches the others. */
static struct moment read_both(const struct kg_counter *counter)
{
    struct moment best = {0};
    uint64_t closest = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        uint64_t before = kg_rdtsc();
        uint32_t count = counter->read();
        uint64_t took = kg_rdtsc() - before;
        if (took < closest) {
            closest = took;
            best = (struct moment){before + took / 2, count};
        }
    }
    return best;
}

/* TSC ticks per second, measured in one window of this counter. 0: it does not count. */
static uint64_t measure_window(const struct kg_counter *counter)
{
    struct moment from = read_both(counter);
    uint32_t count = from.count, window = (uint32_t)(counter->hz / WINDOWS_PER_SECOND);
    for (uint32_t spins = 0, still = 0; ((count - from.count) & counter->mask) < window; spins++) {
        uint32_t now = counter->read();
        still = now == count ? still + 1 : 0;
        count = now;
        if (spins == MAX_SPINS || still == MAX_STILL) {
            return 0;
        }
    }
    struct moment to = read_both(counter);
    uint32_t counted = (to.count - from.count) & counter->mask;
    return counted ? (to.ticks - from.ticks) * counter->hz / counted : 0;
}

/* The value on which two consecutive measurements agree: during a long stall the counter may wrap. If no two agree,
 * the smallest, because delays only increase the value. */
uint64_t kg_tsc_measure(bool (*open)(struct kg_counter *counter))
{
    struct kg_counter counter;
    uint64_t last = 0, least = UINT64_MAX;
    if (!open(&counter)) {
        return 0;
    }
    for (int i = 0; i < MEASUREMENTS_MAX; i++) {
        uint64_t hz = measure_window(&counter);
        if (hz == 0) {
            return 0;
        }
        if (kg_tsc_agree(hz, last, AGREE_MEASURED)) {
            return (hz + last) / 2;
        }
        last = hz;
        least = hz < least ? hz : least;
    }
    return least;
}

/* A read of the unused port 0x80 takes about a microsecond on any PC, and longer in a virtual machine. */
void plat_delay_us(uint32_t us)
{
    uint64_t hz = plat_ticks_hz(), start = kg_rdtsc(), ticks = hz / 1000000 * us;
    if (hz == 0) {
        while (us-- > 0) {
            kg_inb(0x80);
        }
        return;
    }
    while (kg_rdtsc() - start < ticks) {
        kg_pause();
    }
}
