/* One clock: the TSC. How fast it runs is asked of whoever may know, in the order of the list, until two of them agree; and only when somebody
 * wants to know. */
#include "timer.h"

#include "io.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"

#define CPUID_TSC 0x15u
#define CPUID_FREQUENCY 0x16u
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TIMING 0x40000010u

#define WINDOWS_PER_SECOND 500 /* a measurement takes 2 ms */
#define MEASUREMENTS_MAX 5
#define MAX_SPINS 1000000u
#define MAX_STILL \
    1000u /* reads between which a counter must have moved; none takes less than a tenth of a microsecond */

#define AGREE_MEASURED 500 /* within one part of so many */
#define AGREE 100

uint64_t plat_ticks(void)
{
    return kg_rdtsc();
}

static bool agree(uint64_t a, uint64_t b, uint64_t parts)
{
    return (a > b ? a - b : b - a) <= a / parts;
}

static bool has_leaf(uint32_t leaf)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    return r[0] >= leaf;
}

/* SDM 2A, CPUID leaf 15h: TSC = crystal * EBX / EAX, with the crystal's frequency in ECX where it is known. */
static uint64_t hz_from_cpuid(void)
{
    uint32_t r[4];
    if (!has_leaf(CPUID_TSC)) {
        return 0;
    }
    kg_cpuid(CPUID_TSC, 0, r);
    return r[0] ? (uint64_t)r[2] * r[1] / r[0] : 0;
}

static uint64_t hz_from_hypervisor(void)
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

/* The processor's base frequency in MHz, which is the TSC's but for rounding where leaf 15h has a ratio, but no crystal. */
static uint64_t hz_from_base(void)
{
    uint32_t r[4];
    if (!has_leaf(CPUID_FREQUENCY)) {
        return 0;
    }
    kg_cpuid(CPUID_TSC, 0, r);
    bool ratio = r[0] && r[1];
    kg_cpuid(CPUID_FREQUENCY, 0, r);
    return ratio ? (uint64_t)(r[0] & 0xFFFF) * 1000000 : 0;
}

/* A counter and the TSC at one moment. */
struct moment {
    uint64_t ticks;
    uint32_t count;
};

/* Of a few, the one that the reads lie closest around: something may come between them, as firmware does, or a hypervisor. */
static struct moment look(const struct kg_counter *counter)
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

/* Ticks a second of the TSC, by one window of this counter. 0: it does not count. */
static uint64_t measure_once(const struct kg_counter *counter)
{
    struct moment from = look(counter);
    uint32_t count = from.count, window = (uint32_t)(counter->hz / WINDOWS_PER_SECOND);
    for (uint32_t spins = 0, still = 0; ((count - from.count) & counter->mask) < window; spins++) {
        uint32_t now = counter->read();
        still = now == count ? still + 1 : 0;
        count = now;
        if (spins == MAX_SPINS || still == MAX_STILL) {
            return 0;
        }
    }
    struct moment to = look(counter);
    uint32_t counted = (to.count - from.count) & counter->mask;
    return counted ? (to.ticks - from.ticks) * counter->hz / counted : 0;
}

/* What two measurements in a row agree on: if something kept us from looking for long, a counter may have gone round. Else the least, since
 * whatever comes between makes it more. */
static uint64_t hz_by(bool (*open)(struct kg_counter *counter))
{
    struct kg_counter counter;
    uint64_t last = 0, least = UINT64_MAX;
    if (!open(&counter)) {
        return 0;
    }
    for (int i = 0; i < MEASUREMENTS_MAX; i++) {
        uint64_t hz = measure_once(&counter);
        if (hz == 0) {
            return 0;
        }
        if (agree(hz, last, AGREE_MEASURED)) {
            return (hz + last) / 2;
        }
        last = hz;
        least = hz < least ? hz : least;
    }
    return least;
}

static uint64_t hz_from_hpet(void)
{
    return hz_by(kg_hpet_open);
}

static uint64_t hz_from_pmtimer(void)
{
    return hz_by(kg_pmtimer_open);
}

static uint64_t hz_from_pit(void)
{
    return hz_by(kg_pit_open);
}

/* The cheaper and the more exact first. */
static const struct source {
    const char *name;
    uint64_t (*hz)(void);
} sources[] = {
    {"cpuid", hz_from_cpuid}, {"hypervisor", hz_from_hypervisor},
    {"hpet", hz_from_hpet},   {"pmtimer", hz_from_pmtimer},
    {"pit", hz_from_pit},     {"base", hz_from_base},
};
#define N_SOURCES (sizeof sources / sizeof *sources)

static const char *wanted = ""; /* only this one is asked */
static const char *chosen = ""; /* the one that was believed */
static uint64_t frequency;
static bool known;

void plat_clock_use(const char *name)
{
    wanted = name;
}

const char *plat_clock(void)
{
    return plat_ticks_hz() ? chosen : "";
}

/* The first one that another one confirms; if there is none, the first. */
static uint64_t choose(void)
{
    uint64_t hz[N_SOURCES];
    size_t first = N_SOURCES;
    for (size_t i = 0; i < N_SOURCES; i++) {
        hz[i] = *wanted && !kg_streq(wanted, sources[i].name) ? 0 : sources[i].hz();
        if (hz[i] == 0) {
            continue;
        }
        first = first < i ? first : i;
        for (size_t j = first; j < i; j++) {
            if (hz[j] && agree(hz[j], hz[i], AGREE)) {
                chosen = sources[j].name;
                return hz[j];
            }
        }
    }
    chosen = first < N_SOURCES ? sources[first].name : "";
    return first < N_SOURCES ? hz[first] : 0;
}

uint64_t plat_ticks_hz(void)
{
    if (!known) {
        frequency = choose();
    }
    known = true;
    return frequency;
}

/* A read of port 0x80, which nobody answers, takes about a microsecond on every PC, and more in a virtual one. */
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
    *value = kg_rdtsc();
    return false;
}
