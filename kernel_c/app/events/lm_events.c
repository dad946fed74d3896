/* Events of language models: see lm.h and docs/events.md. */
#include "app/cmdline/keys.h"
#include "app/lm.h"

#include "events.h"

void kg_lm_event_model(struct kgpt *k)
{
    (void)k;
    const struct kg_lm *lm = &kg_lm;
    const struct kg_lm_model *m = &lm->model;
    const struct kg_lm_source *source = &lm->sources[lm->current];
    KG_EMIT_LM(model, .name = m->name, .arch = lm->arch, .sha256 = {source->sha256, source->sha256 ? 32 : 0},
               .n_vocab = m->n_vocab, .n_ctx = m->n_ctx_train, .n_embd = m->n_embd, .n_layer = m->n_layer,
               .n_head = m->n_head, .n_head_kv = m->n_head_kv, .n_ff = m->n_ff, .parameters = m->n_parameters,
               .tokenizer = lm->vocab.model, .chat = lm->has_chat ? lm->chat.family : "", .place = source->place);
}

static void write_biases(struct kg_json *json, const void *context)
{
    const struct kg_lm_sampling *sampling = context;
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        const struct kg_event_bias bias = {.id = sampling->logit_bias[i].token, .bias = sampling->logit_bias[i].bias};
        kg_event_object(json, kg_event_row_bias, &bias);
    }
}

void kg_lm_event_config(struct kgpt *k, const struct kg_lm_turn *turn, uint64_t seed)
{
    const struct kg_config *config = &k->config;
    const struct kg_lm_config *lm = &config->lm;
    const char *system = kg_lm_system(lm);
    const char *stops[sizeof lm->stop / sizeof lm->stop[0]];
    for (uint32_t i = 0; i < lm->n_stops; i++) {
        stops[i] = lm->stop[i];
    }
    const struct kg_event_config event = {
        .mode = kg_mode_names[turn->mode],
        .system = {system, kg_strlen(system)},
        .prompt = turn->asked,
        .sample = turn->index,
        .samples = config->samples,
        .max_tokens = config->max_tokens,
        .seed = seed,
        .context = kg_lm.session.options.n_ctx,
        .kv = kg_kv_names[kg_lm.session.options.kv],
        .on_overflow = kg_overflow_names[lm->on_overflow],
        .think = kg_think_names[lm->think],
        .logit_bias = {write_biases, &config->sampling},
        .stop = {stops, lm->n_stops},
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) .name = config->sampling.name,
#define KG_LM_SAMPLING KG_SAMPLING
#include "kgpt/options.def"
    };
    kg_event_emit(kg_event_row_config, true, &event);
}

struct likely_tokens {
    const struct kg_logprob *top;
    uint32_t n;
};

static void write_likely_tokens(struct kg_json *json, const void *context)
{
    const struct likely_tokens *likely = context;
    for (uint32_t i = 0; i < likely->n; i++) {
        const struct kg_logprob *token = &likely->top[i];
        size_t n = kg_vocab_piece(&kg_lm.vocab, token->id, kg_lm.piece, true);
        const struct kg_event_likely values = {
            .id = token->id, .text = {kg_lm.piece, n}, .logprob = (double)token->ln_p};
        kg_event_object(json, kg_event_row_likely, &values);
    }
}

void kg_lm_event_logprobs(struct kgpt *k, uint32_t index, uint32_t pos, uint32_t id, float logprob,
                          const struct kg_logprob *top, uint32_t n)
{
    (void)k;
    const struct likely_tokens likely = {top, n};
    KG_EMIT(logprobs, .sample = index, .pos = pos, .id = id, .logprob = (double)logprob,
            .top = {write_likely_tokens, &likely});
}

void kg_lm_event_fed(struct kgpt *k, uint32_t index, uint32_t pos)
{
    (void)k;
    const struct kg_lm_session *session = &kg_lm.session;
    KG_EMIT(fed, .sample = index, .pos = pos, .u32 = {session->tokens + pos, session->n_past - pos});
}

void kg_lm_event_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    (void)context;
    KG_EMIT(layer, .what = what, .layer = layer, .f32 = {values, n});
}

void kg_lm_event_sample(struct kgpt *k, uint32_t index, size_t n, uint32_t tokens, const char *reason)
{
    (void)k;
    KG_EMIT(sample, .index = index, .text = {kg_lm.reply, n}, .tokens = tokens, .reason = reason);
}

void kg_lm_event_speed(struct kgpt *k, uint64_t seed)
{
    (void)k;
    const struct kg_lm_session *session = &kg_lm.session;
    const struct kg_lm_speed *speed = &kg_lm.speed;
    KG_EMIT(speed, .prompt_tokens = speed->prompt_tokens, .prompt_us = speed->prompt_us, .tokens = speed->tokens,
            .decode_us = speed->decode_us, .first_token_us = speed->first_token_us, .p50_us = speed->p50_us,
            .p99_us = speed->p99_us, .max_us = speed->max_us, .context_used = session->n_past,
            .context = session->options.n_ctx, .seed = seed);
}

void kg_lm_event_bench(struct kgpt *k, const char *test, uint32_t tokens, const uint64_t *us, uint32_t n)
{
    KG_EMIT(bench, .test = test, .tokens = tokens, .cpus = k->workers ? k->workers : 1, .isa = kg_isa_names[k->ops.isa],
            .us = {us, n});
}
