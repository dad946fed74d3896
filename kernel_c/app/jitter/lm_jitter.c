/* mode=jitter: how evenly tokens take their time. Every token is decoded at the same depth: the context is truncated
 * before each one, because a token costs more behind a longer context. Before and after, a loop on every processor
 * looks for gaps. With `watch` the first processor decodes alone, and the others look for gaps meanwhile. */
#include "jitter.h"

#include "app/events/print.h"
#include "app/run/cpus.h"
#include "app/shell/input.h"

#include "kgpt/mem.h"

#define GUESSED_HZ 1000000000u   /* if the clock's frequency is unknown */
#define GAPS_PER_SECOND 1000000u /* the threshold is 1 microsecond */
#define WATCHES_PER_SECOND 10    /* a watch takes 100 ms */
#define WARM_UP 8u               /* tokens */
#define SECTION_ROUNDS 100u
#define SECTIONS_OF_A_ROUND 50u
#define TOKENS_OF_A_SECTION 32u /* decoded while the others watch, before Ctrl-C is looked for */

static bool jitter_is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

static void watch_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct kg_jitter *jitter = context;
    (void)workers;
    kg_gaps_watch(&jitter->gaps[worker], jitter->hz / WATCHES_PER_SECOND, jitter->threshold, NULL);
}

static void watch_all(struct kg_jitter *jitter, const char *when)
{
    kg_workers_run(&jitter->k->lm->workers, watch_share, jitter);
    kg_jitter_report_gaps(jitter, when, 0);
}

static void do_nothing(void *context, uint32_t worker, uint32_t workers)
{
    (void)context;
    (void)worker;
    (void)workers;
}

/* What it costs to begin and end a section of work on all processors. */
static void measure_sections(struct kg_jitter *jitter)
{
    const struct kg_workers *workers = &jitter->k->lm->workers;
    struct kg_summary summary;
    uint64_t durations[SECTION_ROUNDS];
    for (uint32_t i = 0; i < SECTION_ROUNDS; i++) {
        uint64_t start = plat_ticks();
        for (uint32_t j = 0; j < SECTIONS_OF_A_ROUND; j++) {
            kg_workers_run(workers, do_nothing, NULL);
        }
        durations[i] = plat_ticks() - start;
    }
    kg_summary_make(&summary, durations, SECTION_ROUNDS);
    kg_jitter_report_sections(jitter, &summary, SECTIONS_OF_A_ROUND);
}

static void count_smis(struct kg_smis *smis, uint64_t *count)
{
    if (!smis->unknown) {
        smis->unknown = plat_smis(count);
    }
}

/* Computes the tokens before those that are measured, and a few of these. */
static enum kg_status fill_to_depth(struct kg_jitter *jitter, struct kg_error *error)
{
    struct kg_conversation *conversation = &jitter->k->lm->conversation;
    struct kg_lm_session *session = &conversation->session;
    kg_lm_fill_prompt(conversation, jitter->depth + 1);
    kg_lm_truncate(session, 0);
    enum kg_status status = KG_OK;
    if (jitter->depth) {
        status = kg_lm_eval(session, conversation->prompt, jitter->depth, jitter_is_stopped, jitter->k, error);
    }
    for (uint32_t i = 0; i < WARM_UP && status == KG_OK; i++) {
        kg_lm_truncate(session, jitter->depth);
        status = kg_lm_eval(session, conversation->prompt + jitter->depth, 1, jitter_is_stopped, jitter->k, error);
    }
    return status;
}

/* Decodes tokens until `end` of them are measured. `stopped` is NULL while the other processors watch. */
static void decode_tokens(struct kg_jitter *jitter, uint32_t end, bool (*stopped)(void *))
{
    struct kg_conversation *conversation = &jitter->k->lm->conversation;
    struct kg_lm_session *session = &conversation->session;
    const uint32_t *token = conversation->prompt + jitter->depth;
    while (jitter->done < end && jitter->status == KG_OK) {
        kg_lm_truncate(session, jitter->depth);
        uint64_t switches = plat_switches(), start = plat_ticks();
        jitter->status = kg_lm_eval(session, token, 1, stopped, jitter->k, &jitter->error);
        jitter->durations[jitter->done] = plat_ticks() - start;
        jitter->switches[jitter->done] = plat_switches() - switches;
        jitter->done += jitter->status == KG_OK;
    }
}

static void add_gaps(struct kg_gaps *sum, const struct kg_gaps *found)
{
    sum->ticks += found->ticks;
    sum->reads += found->reads;
    sum->n += found->n;
    sum->stolen += found->stolen;
    sum->longest = found->longest > sum->longest ? found->longest : sum->longest;
}

/* One section: worker 0 decodes some tokens, the others watch until it has. */
static void decode_or_watch(void *context, uint32_t worker, uint32_t workers)
{
    struct kg_jitter *jitter = context;
    struct kg_gaps found;
    (void)workers;
    if (worker > 0) {
        kg_gaps_watch(&found, 0, jitter->threshold, &jitter->decoded);
        add_gaps(&jitter->gaps[worker], &found);
        return;
    }
    uint32_t end = jitter->done + TOKENS_OF_A_SECTION;
    decode_tokens(jitter, end < jitter->n ? end : jitter->n, NULL);
    __atomic_store_n(&jitter->decoded, true, __ATOMIC_RELEASE);
}

static void decode_watched(struct kg_jitter *jitter)
{
    struct kg_workers *workers = &jitter->k->lm->workers;
    const struct kg_workers all = *workers;
    memset(jitter->gaps, 0, (jitter->k->workers ? jitter->k->workers : 1) * sizeof *jitter->gaps);
    workers->run = NULL; /* the products stay on the first processor */
    while (jitter->done < jitter->n && jitter->status == KG_OK) {
        jitter->decoded = false;
        kg_workers_run(&all, decode_or_watch, jitter);
        if (jitter_is_stopped(jitter->k)) {
            jitter->status = kg_error_set(&jitter->error, KG_E_STOPPED, "stopped after %u tokens", jitter->done);
        }
    }
    *workers = all;
    kg_jitter_report_gaps(jitter, "while", 1);
}

static void measure_jitter(struct kg_jitter *jitter)
{
    if (jitter->k->workers > 1) {
        measure_sections(jitter);
    }
    watch_all(jitter, "before");
    jitter->status = fill_to_depth(jitter, &jitter->error);
    if (jitter->status != KG_OK) {
        return;
    }
    count_smis(&jitter->smis, &jitter->smis.before);
    if (jitter->k->config.lm.watch) {
        decode_watched(jitter);
    } else {
        decode_tokens(jitter, jitter->n, jitter_is_stopped);
    }
    count_smis(&jitter->smis, &jitter->smis.after);
    watch_all(jitter, "after");
    kg_jitter_report(jitter);
}

enum kg_status kg_lm_jitter(struct kgpt *k, struct kg_error *error)
{
    uint32_t n_ctx = k->lm->conversation.session.options.n_ctx, workers = k->workers ? k->workers : 1;
    struct kg_jitter jitter = {.k = k, .depth = k->config.lm.depth, .n = k->config.lm.times};
    size_t used = k->arena.used;
    if (jitter.depth >= n_ctx) {
        kg_error_set(error, KG_E_INPUT, "depth=%u leaves no room for a token in a context of %u", jitter.depth, n_ctx);
        kg_error_hint(error, "choose a smaller depth=, or a larger ctx=");
        return KG_E_INPUT;
    }
    if (k->config.lm.watch && workers < 2) {
        kg_error_set(error, KG_E_INPUT, "watch needs a processor besides the one that decodes");
        kg_error_hint(error, "give cpus=2, and a machine that has them");
        return KG_E_INPUT;
    }
    jitter.hz = plat_ticks_hz() ? plat_ticks_hz() : GUESSED_HZ;
    jitter.threshold = jitter.hz / GAPS_PER_SECOND;
    jitter.durations = kg_arena_array(&k->arena, jitter.n, sizeof *jitter.durations);
    jitter.switches = kg_arena_array(&k->arena, jitter.n, sizeof *jitter.switches);
    jitter.gaps = kg_arena_array(&k->arena, workers, sizeof *jitter.gaps);
    if (!jitter.durations || !jitter.switches || !jitter.gaps) {
        kg_error_set(error, KG_E_MEMORY, "the times of %u tokens do not fit the memory", jitter.n);
        kg_error_hint(error, "give the machine more memory, or choose a smaller times=");
        jitter.status = KG_E_MEMORY;
    } else {
        measure_jitter(&jitter);
        *error = jitter.error;
    }
    kg_arena_rewind(&k->arena, used);
    kg_conversation_reset(&k->lm->conversation);
    return jitter.status;
}
