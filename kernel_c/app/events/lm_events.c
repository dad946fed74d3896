/* Events of language models: see lm.h and docs/events.md. */
#include "app/lm.h"

#include "events.h"

#include "kgpt/json.h"
#include "kgpt/str.h"

uint64_t kg_lm_event_line_size(const struct kg_lm *lm, size_t prompt_n)
{
    uint64_t logits = 8 * (uint64_t)lm->vocab.n_vocab;
    uint64_t text = kg_json_escaped(lm->reply_size);
    uint64_t fed = 8 * (uint64_t)lm->reply_size;                  /* which has at least a byte for each position */
    text = (text > fed ? text : fed) + kg_json_escaped(prompt_n); /* of `config` */
    return kg_arena_cost((logits > text ? logits : text) + KG_EVENT_LINE_MIN);
}

void kg_lm_event_model(struct kgpt *k)
{
    struct kg_json json;
    const struct kg_lm *lm = &kg_lm;
    const struct kg_lm_model *m = &lm->model;
    const struct kg_lm_source *source = &lm->sources[lm->current];
    if (!kg_event_begin(k, &json, "model")) {
        return;
    }
    kg_json_text(&json, "name", m->name);
    kg_json_text(&json, "arch", lm->arch);
    kg_json_hex(&json, "sha256", source->sha256, source->sha256 ? 32 : 0);
    kg_json_u64(&json, "n_vocab", m->n_vocab);
    kg_json_u64(&json, "n_ctx", m->n_ctx_train);
    kg_json_u64(&json, "n_embd", m->n_embd);
    kg_json_u64(&json, "n_layer", m->n_layer);
    kg_json_u64(&json, "n_head", m->n_head);
    kg_json_u64(&json, "n_head_kv", m->n_head_kv);
    kg_json_u64(&json, "n_ff", m->n_ff);
    kg_json_u64(&json, "parameters", m->n_parameters);
    kg_json_text(&json, "tokenizer", lm->vocab.model);
    kg_json_text(&json, "chat", lm->has_chat ? lm->chat.family : "");
    kg_json_text(&json, "place", source->place);
    kg_event_send(k, &json);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void put_biases(struct kg_json *json, const struct kg_lm_config *lm)
{
    kg_json_list_begin(json, "logit_bias");
    for (uint32_t i = 0; i < lm->n_biases; i++) {
        kg_json_object_begin(json, NULL);
        kg_json_u64(json, "id", lm->biases[i].token);
        kg_json_decimal(json, "bias", lm->biases[i].bias);
        kg_json_object_end(json);
    }
    kg_json_list_end(json);
}

/* What kg_engine_keys say, as far as a reply depends on it. */
static void put_settings(struct kg_json *json, const struct kg_lm_config *lm)
{
    kg_json_text(json, "kv", kg_kv_names[kg_lm.session.options.kv]);
    kg_json_text(json, "on_overflow", kg_overflow_names[lm->on_overflow]);
    kg_json_text(json, "think", kg_think_names[lm->think]);
    kg_json_decimal(json, "typical_p", lm->typical_p);
    kg_json_decimal(json, "repeat_penalty", lm->repeat_penalty);
    kg_json_u64(json, "repeat_last_n", lm->repeat_last_n);
    kg_json_decimal(json, "frequency_penalty", lm->frequency_penalty);
    kg_json_decimal(json, "presence_penalty", lm->presence_penalty);
    put_biases(json, lm);
    kg_json_list_begin(json, "stop");
    for (uint32_t i = 0; i < lm->n_stops; i++) {
        kg_json_text(json, NULL, lm->stops[i]);
    }
    kg_json_list_end(json);
}

void kg_lm_event_config(struct kgpt *k, const struct kg_lm_turn *turn, uint64_t seed)
{
    struct kg_json json;
    const struct kg_config *config = &k->config;
    if (!kg_event_begin(k, &json, "config")) {
        return;
    }
    /* Texts that fit the context fit the line, unless most of their bytes have no token in the vocabulary: then they are cut. */
    const char *system = kg_lm_system(&config->lm);
    size_t room = kg_lm.reply_size, system_n = smaller(kg_strlen(system), room);
    size_t n = smaller(turn->asked.n, room - system_n + kg_strlen(k->prompt));
    kg_json_text(&json, "mode", kg_mode_names[turn->mode]);
    kg_json_text_n(&json, "system", system, system_n);
    kg_json_text_n(&json, "prompt", turn->asked.data, n);
    kg_json_u64(&json, "sample", turn->index);
    kg_json_u64(&json, "samples", config->samples);
    kg_json_u64(&json, "max_tokens", config->max_tokens);
    kg_json_u64(&json, "seed", seed);
    kg_json_decimal(&json, "temperature", config->sampling.temperature);
    kg_json_u64(&json, "top_k", config->sampling.top_k);
    kg_json_decimal(&json, "top_p", config->sampling.top_p);
    kg_json_decimal(&json, "min_p", config->sampling.min_p);
    kg_json_u64(&json, "context", kg_lm.session.options.n_ctx);
    put_settings(&json, &config->lm);
    kg_event_send(k, &json);
}

void kg_lm_event_logprobs(struct kgpt *k, uint32_t index, uint32_t pos, uint32_t id, float logprob,
                          const struct kg_logprob *top, uint32_t n)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "logprobs")) {
        return;
    }
    kg_json_u64(&json, "sample", index);
    kg_json_u64(&json, "pos", pos);
    kg_json_u64(&json, "id", id);
    kg_json_double(&json, "logprob", (double)logprob);
    kg_json_list_begin(&json, "top");
    for (uint32_t i = 0; i < n; i++) {
        kg_json_object_begin(&json, NULL);
        kg_json_u64(&json, "id", top[i].id);
        size_t length = kg_vocab_piece(&kg_lm.vocab, top[i].id, kg_lm.piece, true);
        kg_json_text_n(&json, "text", kg_lm.piece, length);
        kg_json_double(&json, "logprob", (double)top[i].ln_p);
        kg_json_object_end(&json);
    }
    kg_json_list_end(&json);
    kg_event_send(k, &json);
}

void kg_lm_event_fed(struct kgpt *k, uint32_t index, uint32_t pos)
{
    struct kg_json json;
    const struct kg_lm_session *session = &kg_lm.session;
    if (!kg_event_begin(k, &json, "fed")) {
        return;
    }
    kg_json_u64(&json, "sample", index);
    kg_json_u64(&json, "pos", pos);
    kg_json_hex(&json, "u32", session->tokens + pos, (session->n_past - pos) * sizeof *session->tokens);
    kg_event_send(k, &json);
}

void kg_lm_event_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    struct kg_json json;
    struct kgpt *k = context;
    if (!kg_event_begin(k, &json, "layer")) {
        return;
    }
    kg_json_text(&json, "what", what);
    kg_json_u64(&json, "layer", layer);
    kg_json_hex(&json, "f32", values, n * sizeof(float));
    kg_event_send(k, &json);
}

void kg_lm_event_sample(struct kgpt *k, uint32_t index, size_t n, uint32_t tokens, const char *reason)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "sample")) {
        return;
    }
    kg_json_u64(&json, "index", index);
    kg_json_text_n(&json, "text", kg_lm.reply, n);
    kg_json_u64(&json, "tokens", tokens);
    kg_json_text(&json, "reason", reason);
    kg_event_send(k, &json);
}

void kg_lm_event_speed(struct kgpt *k, uint64_t seed)
{
    struct kg_json json;
    const struct kg_lm *lm = &kg_lm;
    const struct kg_lm_speed *speed = &lm->speed;
    if (!kg_event_begin(k, &json, "speed")) {
        return;
    }
    kg_json_u64(&json, "prompt_tokens", speed->prompt_tokens);
    kg_json_u64(&json, "prompt_us", speed->prompt_us);
    kg_json_u64(&json, "tokens", speed->tokens);
    kg_json_u64(&json, "decode_us", speed->decode_us);
    kg_json_u64(&json, "first_token_us", speed->first_token_us);
    kg_json_u64(&json, "p50_us", speed->p50_us);
    kg_json_u64(&json, "p99_us", speed->p99_us);
    kg_json_u64(&json, "max_us", speed->max_us);
    kg_json_u64(&json, "context_used", lm->session.n_past);
    kg_json_u64(&json, "context", lm->session.options.n_ctx);
    kg_json_u64(&json, "seed", seed);
    kg_event_send(k, &json);
}

void kg_lm_event_bench(struct kgpt *k, const char *test, uint32_t tokens, const uint64_t *us, uint32_t n)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "bench")) {
        return;
    }
    kg_json_text(&json, "test", test);
    kg_json_u64(&json, "tokens", tokens);
    kg_json_u64(&json, "cpus", k->workers ? k->workers : 1);
    kg_json_text(&json, "isa", kg_isa_names[k->ops.isa]);
    kg_json_list_begin(&json, "us");
    for (uint32_t i = 0; i < n; i++) {
        kg_json_u64(&json, NULL, us[i]);
    }
    kg_json_list_end(&json);
    kg_event_send(k, &json);
}
