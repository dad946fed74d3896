/* What mode=jitter found, for people and for the machine channel. */
#include "jitter.h"

#include "app/events/events.h"
#include "app/events/print.h"

#define EVENT_DURATIONS 1000u /* in one event */
#define BAR_WIDTH 40u

static uint32_t processors_of(const struct kg_jitter *jitter)
{
    return jitter->k->workers ? jitter->k->workers : 1;
}

static double microseconds(const struct kg_jitter *jitter, uint64_t ticks)
{
    return (double)ticks * 1e6 / (double)jitter->hz;
}

void kg_jitter_report_gaps(const struct kg_jitter *jitter, const char *when, uint32_t first)
{
    for (uint32_t i = first; i < processors_of(jitter); i++) {
        const struct kg_gaps *gaps = &jitter->gaps[i];
        kg_print("jitter: CPU %u, %s: %lu gaps in %.0f ms, %.1f µs stolen, the longest %.1f µs\n", i, when,
                 (unsigned long)gaps->n, microseconds(jitter, gaps->ticks) / 1e3, microseconds(jitter, gaps->stolen),
                 microseconds(jitter, gaps->longest));
        KG_EMIT(gaps, .when = when, .cpu = i, .ticks = gaps->ticks, .reads = gaps->reads,
                .threshold = jitter->threshold, .gaps = gaps->n, .stolen = gaps->stolen, .longest = gaps->longest);
    }
}

void kg_jitter_report_sections(const struct kg_jitter *jitter, const struct kg_summary *s, uint32_t repeats)
{
    double each = 1e3 / repeats;
    kg_print("jitter: an empty section of work on %u CPUs: p50 %.0f ns, p99 %.0f ns, max %.0f ns (means of %u)\n",
             processors_of(jitter), microseconds(jitter, s->p50) * each, microseconds(jitter, s->p99) * each,
             microseconds(jitter, s->max) * each, repeats);
    KG_EMIT(sections, .cpus = processors_of(jitter), .repeats = repeats, .min = s->min, .p50 = s->p50, .p99 = s->p99,
            .max = s->max);
}

/* Tokens during which no other task took a processor. */
static uint32_t count_undisturbed(const struct kg_jitter *jitter)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < jitter->done; i++) {
        n += jitter->switches[i] == 0;
    }
    return n;
}

static void send_durations(const struct kg_jitter *jitter)
{
    bool disturbed = count_undisturbed(jitter) < jitter->done;
    for (uint32_t i = 0, n; i < jitter->done; i += n) {
        n = jitter->done - i < EVENT_DURATIONS ? jitter->done - i : EVENT_DURATIONS;
        KG_EMIT(durations, .first = i, .ticks = {jitter->durations + i, n},
                .switches = {jitter->switches + i, disturbed ? n : 0});
    }
}

/* At least one mark for a bar that has any. */
static void print_bar(const char *label, uint64_t count, uint64_t all)
{
    char marks[BAR_WIDTH + 1];
    uint64_t n = (count * BAR_WIDTH + all - 1) / all;
    for (uint64_t i = 0; i < n; i++) {
        marks[i] = '#';
    }
    marks[n] = '\0';
    kg_print("%15s %9lu%s%s\n", label, (unsigned long)count, n ? " " : "", marks);
}

static void print_histogram(const struct kg_summary *summary)
{
    char label[32];
    kg_print("%15s    tokens\n", "time / p50");
    for (uint32_t i = 0; i < KG_JITTER_BARS; i++) {
        double from = i ? (double)kg_jitter_bounds[i - 1] / 1e3 : 0;
        if (i < KG_JITTER_BOUNDS) {
            kg_format(label, sizeof label, "%.2f to %.2f", from, (double)kg_jitter_bounds[i] / 1e3);
        } else {
            kg_format(label, sizeof label, "above %.2f", from);
        }
        print_bar(label, summary->counts[i], summary->n);
    }
}

static void print_summary(const struct kg_jitter *jitter, const struct kg_summary *s)
{
    kg_print("jitter: %u token%s at depth %u, isa %s, %u CPU%s: µs a token: p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f; "
             "p99/p50 %.3f\n",
             jitter->done, kg_plural(jitter->done), jitter->depth, kg_lm_slot(jitter->k->lm),
             jitter->k->config.lm.watch ? 1 : processors_of(jitter), kg_plural(processors_of(jitter)),
             microseconds(jitter, s->p50), microseconds(jitter, s->p99), microseconds(jitter, s->p999),
             microseconds(jitter, s->max), s->p50 ? (double)s->p99 / (double)s->p50 : 0);
    print_histogram(s);
    if (jitter->smis.unknown) {
        kg_print("jitter: SMIs are not counted: %s\n", jitter->smis.unknown);
    } else {
        kg_print("jitter: %lu SMIs\n", (unsigned long)(jitter->smis.after - jitter->smis.before));
    }
}

/* Figures without the tokens that another task has interrupted. The counts of switches make room for their times. */
static void print_undisturbed(struct kg_jitter *jitter)
{
    struct kg_summary s;
    uint32_t n = 0;
    if (count_undisturbed(jitter) == jitter->done) {
        return;
    }
    for (uint32_t i = 0; i < jitter->done; i++) {
        if (jitter->switches[i] == 0) {
            jitter->switches[n++] = jitter->durations[i];
        }
    }
    kg_summary_make(&s, jitter->switches, n);
    kg_print("jitter: %u of these while no other task took a processor: p50 %.1f, p99 %.1f, max %.1f; p99/p50 %.3f\n",
             n, microseconds(jitter, s.p50), microseconds(jitter, s.p99), microseconds(jitter, s.max),
             s.p50 ? (double)s.p99 / (double)s.p50 : 0);
}

void kg_jitter_report(struct kg_jitter *jitter)
{
    struct kg_summary s;
    if (jitter->done == 0) {
        return;
    }
    send_durations(jitter);
    print_undisturbed(jitter);
    kg_summary_make(&s, jitter->durations, jitter->done);
    print_summary(jitter, &s);
    KG_EMIT(jitter, .tokens = jitter->done, .depth = jitter->depth,
            .cpus = jitter->k->config.lm.watch ? 1 : processors_of(jitter), .isa = kg_lm_slot(jitter->k->lm),
            .ticks_hz = plat_ticks_hz(), .min = s.min, .p50 = s.p50, .p99 = s.p99, .p999 = s.p999, .max = s.max,
            .bounds = {kg_jitter_bounds, KG_JITTER_BOUNDS}, .counts = {s.counts, KG_JITTER_BARS},
            .smis = jitter->smis.unknown ? 0 : jitter->smis.after - jitter->smis.before,
            .smis_unknown = jitter->smis.unknown ? jitter->smis.unknown : "");
}
