/* Events of language models: see lm.h and docs/events.md. */
#include "app/cmdline/keys.h"
#include "app/lm.h"

#include "events.h"

void kg_lm_event_model(struct kgpt *k)
{
    const struct kg_lm *lm = k->lm;
    const struct kg_lm_loaded *loaded = &lm->loaded;
    const struct kg_lm_model *m = &loaded->model;
    const struct kg_lm_source *source = &lm->sources[lm->current];
    KG_EMIT_LM(model, .name = m->name, .arch = loaded->arch, .sha256 = {source->sha256, source->sha256 ? 32 : 0},
               .n_vocab = m->n_vocab, .n_ctx = m->n_ctx_train, .n_embd = m->n_embd, .n_layer = m->n_layer,
               .n_head = m->n_head, .n_head_kv = m->n_head_kv, .n_ff = m->n_ff, .parameters = m->n_parameters,
               .tokenizer = loaded->vocab.model, .chat = loaded->has_chat ? loaded->chat.family : "",
               .place = source->place);
}

static void write_biases(struct kg_json *json, const void *context)
{
    const struct kg_sampling *sampling = context;
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        const struct kg_event_bias bias = {.id = sampling->logit_bias[i].token, .bias = sampling->logit_bias[i].bias};
        kg_event_object(json, kg_event_row_bias, &bias);
    }
}

static void send_reply_config(void *context, const struct kg_reply *reply)
{
    const struct kg_lm_turn *turn = context;
    const struct kg_request *request = reply->request;
    const struct kg_config *config = &turn->k->config;
    const char *system = kg_lm_system(&config->lm);
    const struct kg_event_config event = {
        .mode = kg_mode_names[turn->mode],
        .system = {system, kg_strlen(system)},
        .prompt = turn->asked,
        .sample = request->index,
        .samples = config->samples,
        .max_tokens = request->max_tokens,
        .seed = request->seed,
        .context = reply->past.n_ctx,
        .kv = kg_kv_names[turn->k->lm->conversation.session.options.kv],
        .on_overflow = kg_overflow_names[request->on_overflow],
        .think = kg_think_names[config->lm.think],
        .rng = kg_rng_names[request->rng],
        .logit_bias = {write_biases, &request->sampling},
        .stop = {request->stops, request->n_stops},
        .grammar = request->grammar ? turn->k->lm->grammar.text : (struct kg_text){"", 0},
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) .name = request->sampling.name,
#define KG_LM_SAMPLING KG_SAMPLING
#include "kgpt/options.def"
    };
    kg_event_emit(kg_event_row_config, true, &event);
}

struct likely_tokens {
    const struct kg_lm *lm;
    const struct kg_token *token;
};

static void write_likely_tokens(struct kg_json *json, const void *context)
{
    const struct likely_tokens *likely = context;
    char *piece = likely->lm->conversation.piece;
    for (uint32_t i = 0; i < likely->token->n_top; i++) {
        const struct kg_logprob *top = &likely->token->top[i];
        size_t n = kg_vocab_piece(&likely->lm->loaded.vocab, top->id, piece, true);
        const struct kg_event_likely values = {.id = top->id, .text = {piece, n}, .logprob = (double)top->ln_p};
        kg_event_object(json, kg_event_row_likely, &values);
    }
}

static void send_reply_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    const struct kg_lm_turn *turn = context;
    const struct likely_tokens likely = {turn->k->lm, token};
    kg_event_token(context, reply, token);
    if (token->n_top) {
        KG_EMIT(logprobs, .sample = token->sample, .pos = token->pos, .id = token->id,
                .logprob = (double)token->logprob, .top = {write_likely_tokens, &likely});
    }
}

/* The tokens of the prompt come before the logits of its last one. */
static void send_reply_logits(void *context, const struct kg_reply *reply, uint32_t token)
{
    const struct kg_past *past = &reply->past;
    uint32_t sample = reply->request->index, n = reply->n_held + reply->n_prompt;
    if (!reply->speed.tokens) {
        KG_EMIT(fed, .sample = sample, .pos = past->n - n, .u32 = {past->tokens + past->n - n, n});
    }
    kg_event_logits(context, reply, token);
}

static void send_reply_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    (void)context;
    KG_EMIT(layer, .what = what, .layer = layer, .f32 = {values, n});
}

static void send_reply_end(void *context, const struct kg_reply *reply)
{
    const struct kg_speed *speed = &reply->speed;
    const struct kg_document text = kg_reply_document(reply);
    (void)context;
    KG_EMIT_LM(sample, .index = text.index, .text = {text.text, text.n}, .tokens = text.tokens,
               .reason = kg_reason_names[text.reason], .dropped = reply->dropped);
    KG_EMIT(speed, .prompt_tokens = speed->prompt_tokens, .prompt_us = speed->prompt_us, .tokens = speed->tokens,
            .decode_us = speed->decode_us, .first_token_us = speed->first_token_us, .p50_us = speed->p50_us,
            .p99_us = speed->p99_us, .max_us = speed->max_us, .context_used = reply->past.n,
            .context = reply->past.n_ctx, .seed = reply->request->seed, .computed = speed->computed,
            .passes = speed->passes, .drafted = speed->drafted, .accepted = speed->accepted);
}

struct kg_sink kg_lm_event_sink(struct kg_lm_turn *turn)
{
    return (struct kg_sink){
        .context = turn,
        .begin = send_reply_config,
        .logits = send_reply_logits,
        .token = send_reply_token,
        .layer = send_reply_layer,
        .done = send_reply_end,
    };
}
