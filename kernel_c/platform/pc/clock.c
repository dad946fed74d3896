/* Calibrates the TSC with a PC's timers. They are tried in the order of the list until two agree. Calibration runs
 * only on demand. */
#include "clock.h"

#include <stddef.h>

#include "kgpt/platform.h"
#include "kgpt/str.h"

#define AGREE 100 /* tolerance: one part in this many */

static uint64_t hz_by_hpet(void)
{
    return kg_tsc_measure(kg_hpet_open);
}

static uint64_t hz_by_pmtimer(void)
{
    return kg_tsc_measure(kg_pmtimer_open);
}

static uint64_t hz_by_pit(void)
{
    return kg_tsc_measure(kg_pit_open);
}

/* Cheaper and more exact timers come first. */
static const struct clock {
    const char *name;
    uint64_t (*hz)(void);
} clocks[] = {
    {"cpuid", kg_tsc_from_cpuid}, {"hypervisor", kg_tsc_from_hypervisor},
    {"hpet", hz_by_hpet},         {"pmtimer", hz_by_pmtimer},
    {"pit", hz_by_pit},           {"base", kg_tsc_from_base},
};
#define N_CLOCKS (sizeof clocks / sizeof *clocks)

static const char *wanted = ""; /* if set, only this timer is used */
static const char *chosen = ""; /* the timer that was chosen */
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

/* Pick the first clock that a later one confirms within 1 %; otherwise the first. */
static uint64_t choose_frequency(void)
{
    uint64_t hz[N_CLOCKS];
    size_t first = N_CLOCKS;
    for (size_t i = 0; i < N_CLOCKS; i++) {
        hz[i] = *wanted && !kg_streq(wanted, clocks[i].name) ? 0 : clocks[i].hz();
        if (hz[i] == 0) {
            continue;
        }
        first = first < i ? first : i;
        for (size_t j = first; j < i; j++) {
            if (hz[j] && kg_tsc_agree(hz[j], hz[i], AGREE)) {
                chosen = clocks[j].name;
                return hz[j];
            }
        }
    }
    chosen = first < N_CLOCKS ? clocks[first].name : "";
    return first < N_CLOCKS ? hz[first] : 0;
}

uint64_t plat_ticks_hz(void)
{
    if (!known) {
        frequency = choose_frequency();
    }
    known = true;
    return frequency;
}
