/* The loop that makes documents: see kgpt/generate.h. */
#include "kgpt/generate.h"

#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

const char *const kg_reason_names[] = {"eos", "max_tokens", "context", "stopped"};

void kg_generator_carve(struct kg_generator *generator, struct kg_session *session, struct kg_arena *arena)
{
    const struct kg_model *model = session->model;
    *generator = (struct kg_generator){.model = model, .session = session};
    generator->text_size = (size_t)model->n_ctx * model->tokenizer.longest + 1; /* at most n_ctx tokens after BOS */
    generator->tokens = kg_arena_array(arena, model->n_ctx, sizeof(uint32_t));
    generator->text = kg_arena_take(arena, generator->text_size);
    kg_sampler_carve(&generator->sampler, model->n_vocab, arena);
}

/* One run of kg_generate. */
struct run {
    struct kg_generator *generator;
    const struct kg_request *request;
    const struct kg_observer *observer;
    struct kg_totals *totals;
    size_t prompt_n; /* tokens of the prompt, BOS included */
    bool broken;     /* the model has computed what is no number */
};

/* BOS and the prompt into generator->tokens. */
static enum kg_status encode_prompt(struct run *run, struct kg_error *error)
{
    struct kg_generator *g = run->generator;
    const struct kg_tokenizer *tokenizer = &g->model->tokenizer;
    size_t n, room = g->model->n_ctx - 1;
    g->tokens[0] = tokenizer->bos_id;
    enum kg_status status = kg_tokenizer_encode(tokenizer, run->request->prompt, g->tokens + 1, room, &n, error);
    if (status != KG_OK) {
        return status;
    }
    if (n > room) {
        kg_error_set(error, KG_E_CONTEXT, "the prompt has %zu tokens, more than the %zu that the context of %u leaves",
                     n, room, g->model->n_ctx);
        kg_error_hint(error, "shorten the prompt to %zu character%s", room, kg_plural(room));
        return KG_E_CONTEXT;
    }
    run->prompt_n = n + 1;
    return KG_OK;
}

static void feed(struct run *run, uint32_t sample, uint32_t token)
{
    struct kg_session *session = run->generator->session;
    kg_session_step(session, token); /* cannot fail: callers stay inside the vocabulary and the context */
    run->broken = run->broken || !kg_all_finite(session->logits, session->model->n_vocab);
    run->observer->logits(run->observer->context, sample, session->pos - 1, token, session->logits);
}

static bool feed_prompt(struct run *run, uint32_t sample)
{
    for (size_t i = 0; i < run->prompt_n; i++) {
        if (run->broken || run->observer->stopped(run->observer->context)) {
            return false;
        }
        feed(run, sample, run->generator->tokens[i]);
        run->totals->prompt_tokens++;
    }
    return !run->broken;
}

static uint32_t sample_token(struct run *run, struct kg_document *document, struct kg_random *random)
{
    struct kg_generator *g = run->generator;
    struct kg_token token = {.sample = document->index, .pos = g->session->pos};
    token.id = kg_sample(&g->sampler, &run->request->sampling, g->session->logits, random);
    token.text = kg_tokenizer_decode(&g->model->tokenizer, token.id, &token.n);
    memcpy(g->text + document->n, token.text, token.n);
    document->n += token.n;
    document->tokens++;
    run->totals->tokens++;
    run->observer->token(run->observer->context, &token);
    return token.id;
}

/* Samples until one of the reasons to end. */
static enum kg_reason continue_document(struct run *run, struct kg_document *document)
{
    struct kg_generator *g = run->generator;
    struct kg_random random;
    kg_random_seed(&random, run->request->seed, document->index);
    for (;;) {
        uint32_t token = sample_token(run, document, &random);
        if (token == g->model->tokenizer.bos_id) {
            return KG_REASON_EOS;
        }
        if (run->request->max_tokens && document->tokens >= run->request->max_tokens) {
            return KG_REASON_MAX_TOKENS;
        }
        if (g->session->pos >= g->model->n_ctx) {
            return KG_REASON_CONTEXT;
        }
        if (run->observer->stopped(run->observer->context)) {
            return KG_REASON_STOPPED;
        }
        feed(run, document->index, token);
        if (run->broken) {
            return KG_REASON_STOPPED;
        }
    }
}

static enum kg_reason make_document(struct run *run, uint32_t index)
{
    struct kg_generator *g = run->generator;
    struct kg_document document = {.index = index, .text = g->text, .n = kg_strlen(run->request->prompt)};
    memcpy(g->text, run->request->prompt, document.n);
    kg_session_reset(g->session);
    run->observer->begin(run->observer->context, index);
    document.reason = feed_prompt(run, index) ? continue_document(run, &document) : KG_REASON_STOPPED;
    run->totals->samples++;
    run->observer->document(run->observer->context, &document);
    return document.reason;
}

enum kg_status kg_generate(struct kg_generator *generator, const struct kg_request *request,
                           const struct kg_observer *observer, struct kg_totals *totals, struct kg_error *error)
{
    struct run run = {.generator = generator, .request = request, .observer = observer, .totals = totals};
    *totals = (struct kg_totals){0};
    enum kg_status status = encode_prompt(&run, error);
    if (status != KG_OK) {
        return status;
    }
    for (uint32_t i = 0; i < request->samples; i++) {
        enum kg_reason reason = make_document(&run, i);
        if (run.broken) {
            kg_error_set(error, KG_E_NUMBERS, "the logits are not finite");
            kg_error_hint(error, "the model's weights are damaged or too large: train or convert it again");
            return KG_E_NUMBERS;
        }
        if (reason == KG_REASON_STOPPED) {
            return KG_E_STOPPED;
        }
    }
    return KG_OK;
}
