/* The benchmark of language models, as llama-bench measures: a prompt of pp tokens, then tg tokens one by one. */
#include "lm.h"

#include "app/events/print.h"
#include "app/shell/shell.h"

#include "kgpt/format.h"
#include "kgpt/math.h"

/* Any tokens will do: they all take the same work. */
static void fill_prompt(struct kg_conversation *conversation, uint32_t n)
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

/* `n` tokens, in calls of at most `at_once`, from an empty context. False after Ctrl-C. */
static bool run_once(struct kgpt *k, uint32_t n, uint32_t at_once, uint64_t *us)
{
    struct kg_conversation *conversation = &k->lm->conversation;
    struct kg_error error;
    kg_lm_truncate(&conversation->session, 0);
    uint64_t start = plat_ticks();
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
    *us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    return true;
}

static void print_row(struct kgpt *k, const char *test, uint32_t tokens, const uint64_t *times_us, uint32_t repeats)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < repeats; i++) {
        double rate = times_us[i] ? (double)tokens * 1e6 / (double)times_us[i] : 0;
        sum += rate;
        squares += rate * rate;
    }
    double mean = sum / repeats, variance = squares / repeats - mean * mean;
    kg_print("| %s | %s | %s | %u | %s | %.2f ± %.2f |\n", k->lm->loaded.model.name,
             kg_amount(k->lm->loaded.model.weight_bytes).text, kg_isa_names[k->ops.isa], k->workers ? k->workers : 1,
             test, mean, (double)kg_sqrtf(variance > 0 ? (float)variance : 0.0f));
    kg_lm_event_bench(k, test, tokens, times_us, repeats);
}

static bool run_test(struct kgpt *k, const char *kind, uint32_t tokens, uint32_t at_once, uint64_t *times_us)
{
    char test[32];
    uint32_t n_ctx = k->lm->conversation.session.options.n_ctx, repeats = k->config.lm.repeat;
    tokens = tokens < n_ctx ? tokens : n_ctx;
    if (tokens == 0) {
        return true;
    }
    kg_format(test, sizeof test, "%s%u", kind, tokens);
    fill_prompt(&k->lm->conversation, tokens);
    uint64_t warm_up;
    if (!run_once(k, tokens < at_once ? tokens : at_once, at_once, &warm_up)) {
        return false;
    }
    for (uint32_t i = 0; i < repeats; i++) {
        if (!run_once(k, tokens, at_once, &times_us[i])) {
            return false;
        }
    }
    print_row(k, test, tokens, times_us, repeats);
    return true;
}

void kg_lm_bench(struct kgpt *k)
{
    const struct kg_lm_config *config = &k->config.lm;
    struct kg_conversation *conversation = &k->lm->conversation;
    size_t used = k->arena.used;
    uint64_t *times_us = kg_arena_take(&k->arena, config->repeat * sizeof *times_us);
    kg_print("| model | size | isa | cpus | test | t/s |\n|---|---|---|---|---|---|\n");
    if (!times_us || !run_test(k, "pp", config->pp, conversation->session.options.n_batch, times_us) ||
        !run_test(k, "tg", config->tg, 1, times_us)) {
        kg_print(times_us ? "kgpt: stopped\n" : "kgpt: no memory for %u times\n", config->repeat);
    }
    kg_arena_rewind(&k->arena, used);
    kg_conversation_reset(conversation);
}
