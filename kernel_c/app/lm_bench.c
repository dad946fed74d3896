/* The benchmark of language models, as llama-bench measures: a prompt of pp tokens, then tg tokens one by one; with
 * slots also tg tokens of several sequences, one of each in a pass. */
#include "lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/shell/shell.h"

#include "kgpt/format.h"
#include "kgpt/math.h"

struct bench_test {
    const char *kind;
    uint32_t tokens, depth; /* measured, and in the context before */
    uint32_t at_once;       /* tokens of a call */
    uint32_t slots;         /* sequences */
};

void kg_lm_fill_prompt(struct kg_conversation *conversation, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        conversation->prompt[i] = (uint32_t)((uint64_t)i * 7919 % conversation->loaded->vocab.n_vocab);
    }
}

static bool is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

/* `n` tokens after those of the context, in calls of at most `at_once`. False after Ctrl-C. */
static bool eval_bench_tokens(struct kgpt *k, uint32_t n, uint32_t at_once)
{
    struct kg_conversation *conversation = &k->lm->conversation;
    struct kg_error error;
    for (uint32_t done = 0; done < n; done += at_once) {
        uint32_t now = n - done < at_once ? n - done : at_once;
        enum kg_status status =
            kg_lm_eval(&conversation->session, conversation->prompt + done, now, is_stopped, k, &error);
        if (status == KG_E_NUMBERS) {
            k->failed = true;
            kg_say_refused(&error);
        }
        if (status != KG_OK || is_stopped(k)) {
            return false;
        }
    }
    return true;
}

/* The sequences of a test share the tokens of the first one. */
static struct kg_lm_session *session_of_slot(struct kg_lm *lm, uint32_t slot)
{
    return slot ? &lm->batch.slots[slot].conversation->session : &lm->conversation.session;
}

/* `n` tokens of each of several sequences. False after Ctrl-C. */
static bool eval_sequences(struct kgpt *k, uint32_t n, uint32_t slots)
{
    struct kg_lm_piece pieces[KG_MAX_SLOTS];
    struct kg_error error;
    bool good = true;
    for (uint32_t at = 0; at < n && good; at++) {
        for (uint32_t i = 0; i < slots; i++) {
            pieces[i] = (struct kg_lm_piece){.session = session_of_slot(k->lm, i),
                                             .tokens = k->lm->conversation.prompt + at,
                                             .n = 1,
                                             .n_logits = 1,
                                             .error = &error};
        }
        kg_lm_eval_pieces(pieces, slots, is_stopped, k);
        for (uint32_t i = 0; i < slots && good; i++) {
            good = pieces[i].status == KG_OK;
            if (pieces[i].status == KG_E_NUMBERS) {
                k->failed = true;
                kg_say_refused(&error);
            }
        }
    }
    return good && !is_stopped(k);
}

/* Fills the context to the test's depth and warms up; the repetitions share that prefix. */
static bool prepare_test(struct kgpt *k, const struct bench_test *test)
{
    struct kg_lm_session *session = &k->lm->conversation.session;
    kg_lm_fill_prompt(&k->lm->conversation, test->tokens > test->depth ? test->tokens : test->depth);
    kg_lm_truncate(session, 0);
    uint32_t warm_up = test->tokens < test->at_once ? test->tokens : test->at_once;
    if (!eval_bench_tokens(k, test->depth, session->options.n_batch)) {
        return false;
    }
    for (uint32_t i = 1; i < test->slots; i++) {
        kg_lm_copy(session_of_slot(k->lm, i), session, test->depth);
    }
    return test->slots > 1 ? eval_sequences(k, 1, test->slots) : eval_bench_tokens(k, warm_up, test->at_once);
}

static bool run_once(struct kgpt *k, const struct bench_test *test, uint64_t *us)
{
    for (uint32_t i = 0; i < test->slots; i++) {
        kg_lm_truncate(session_of_slot(k->lm, i), test->depth);
    }
    uint64_t start = plat_ticks();
    if (!(test->slots > 1 ? eval_sequences(k, test->tokens, test->slots)
                          : eval_bench_tokens(k, test->tokens, test->at_once))) {
        return false;
    }
    *us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    return true;
}

static void print_row(struct kgpt *k, const struct bench_test *test, const uint64_t *times_us, uint32_t repeats)
{
    char name[48];
    uint32_t all = test->tokens * test->slots;
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < repeats; i++) {
        double rate = times_us[i] ? (double)all * 1e6 / (double)times_us[i] : 0;
        sum += rate;
        squares += rate * rate;
    }
    double mean = sum / repeats, variance = squares / repeats - mean * mean;
    size_t length = kg_format(name, sizeof name, "%s%u", test->kind, test->tokens);
    if (test->slots > 1) {
        length += kg_format(name + length, sizeof name - length, " x%u", test->slots);
    }
    if (test->depth) {
        kg_format(name + length, sizeof name - length, " @ d%u", test->depth);
    }
    kg_print("| %s | %s | %s | %u | %s | %.2f ± %.2f |\n", k->lm->loaded.model.name,
             kg_amount(k->lm->loaded.model.weight_bytes).text, kg_lm_slot(k->lm), k->workers ? k->workers : 1, name,
             mean, (double)kg_sqrtf(variance > 0 ? (float)variance : 0.0f));
    KG_EMIT(bench, .test = name, .tokens = all, .depth = test->depth, .slots = test->slots,
            .cpus = k->workers ? k->workers : 1, .isa = kg_lm_slot(k->lm), .us = {times_us, repeats});
}

/* True without measuring for a test of no tokens. The context limits depth and tokens. */
static bool run_test(struct kgpt *k, struct bench_test test, uint64_t *times_us)
{
    uint32_t n_ctx = k->lm->conversation.session.options.n_ctx, repeats = k->config.lm.repeat;
    test.depth = test.depth < n_ctx ? test.depth : n_ctx - 1;
    test.tokens = test.tokens < n_ctx - test.depth ? test.tokens : n_ctx - test.depth;
    if (test.tokens == 0) {
        return true;
    }
    if (!prepare_test(k, &test)) {
        return false;
    }
    for (uint32_t i = 0; i < repeats; i++) {
        if (!run_once(k, &test, &times_us[i])) {
            return false;
        }
    }
    print_row(k, &test, times_us, repeats);
    return true;
}

/* 2, 4, 8, … sequences, and last as many as there are slots. */
static bool run_sequences(struct kgpt *k, uint64_t *times_us)
{
    const struct kg_lm_config *config = &k->config.lm;
    uint32_t most = k->lm->batch.n;
    bool good = true;
    for (uint32_t slots = 2; good && slots / 2 < most; slots *= 2) {
        const struct bench_test test = {"tg", config->tg, config->depth, 1, slots < most ? slots : most};
        good = run_test(k, test, times_us);
    }
    return good;
}

void kg_lm_bench(struct kgpt *k)
{
    const struct kg_lm_config *config = &k->config.lm;
    struct kg_conversation *conversation = &k->lm->conversation;
    size_t used = k->arena.used;
    uint64_t *times_us = kg_arena_take(&k->arena, config->repeat * sizeof *times_us);
    const struct bench_test prompt = {"pp", config->pp, config->depth, conversation->session.options.n_batch, 1};
    const struct bench_test decode = {"tg", config->tg, config->depth, 1, 1};
    kg_print("kgpt: products of ");
    kg_lm_print_slots(k->lm);
    kg_print("| model | size | isa | cpus | test | t/s |\n|---|---|---|---|---|---|\n");
    if (!times_us || !run_test(k, prompt, times_us) || !run_test(k, decode, times_us) || !run_sequences(k, times_us)) {
        kg_print(times_us ? "kgpt: stopped\n" : "kgpt: no memory for %u times\n", config->repeat);
    }
    kg_arena_rewind(&k->arena, used);
    for (uint32_t i = 1; i < k->lm->batch.n; i++) {
        kg_conversation_reset(k->lm->batch.slots[i].conversation);
    }
    kg_conversation_reset(conversation);
}
