/* Documents of a microgpt: see kgpt/generate.h. */
#include "kgpt/generate.h"

#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

void kg_generator_carve(struct kg_generator *generator, struct kg_session *session, struct kg_arena *arena)
{
    const struct kg_model *model = session->model;
    *generator = (struct kg_generator){.model = model, .session = session};
    generator->text_size = (size_t)model->n_ctx * model->tokenizer.longest + 1; /* at most n_ctx tokens after BOS */
    generator->tokens = kg_arena_array(arena, model->n_ctx, sizeof(uint32_t));
    generator->text = kg_arena_take(arena, generator->text_size);
    kg_sampler_carve(&generator->sampler, model->n_vocab, arena);
}

/* kg_forward of a microgpt: the engine is the generator. */

static void micro_past(void *engine, struct kg_past *past)
{
    const struct kg_generator *g = engine;
    *past = (struct kg_past){
        .n = g->session->pos, .n_ctx = g->model->n_ctx, .logits = g->session->logits, .n_vocab = g->model->n_vocab};
}

static enum kg_status micro_eval(void *engine, const uint32_t *tokens, uint32_t n, bool (*asks)(void *), void *context,
                                 struct kg_error *error)
{
    const struct kg_generator *g = engine;
    for (uint32_t i = 0; i < n; i++) {
        if (asks && asks(context)) {
            return KG_E_STOPPED;
        }
        kg_session_step(g->session, tokens[i]); /* cannot fail: callers stay inside the vocabulary and the context */
        if (!kg_all_finite(g->session->logits, g->model->n_vocab)) {
            kg_error_set(error, KG_E_NUMBERS, "the logits are not finite");
            kg_error_hint(error, "the model's weights are damaged or too large: train or convert it again");
            return KG_E_NUMBERS;
        }
    }
    return KG_OK;
}

static enum kg_status micro_make_room(void *engine, uint32_t more, uint32_t *discarded, struct kg_error *error)
{
    const struct kg_generator *g = engine;
    (void)discarded;
    (void)error; /* a document that is as long as the context is finished */
    return g->model->n_ctx - g->session->pos >= more ? KG_OK : KG_E_CONTEXT;
}

static size_t micro_spell(void *engine, uint32_t token, char *out)
{
    const struct kg_generator *g = engine;
    size_t n = 0;
    if (token != KG_NO_TOKEN) {
        const char *text = kg_tokenizer_decode(&g->model->tokenizer, token, &n);
        memcpy(out, text, n);
    }
    return n;
}

static bool micro_ends(void *engine, uint32_t token, enum kg_reason *reason)
{
    const struct kg_generator *g = engine;
    *reason = KG_REASON_EOS;
    return token == g->model->tokenizer.bos_id;
}

static const struct kg_forward micro_forward = {
    .at_once = 1, /* the sinks get the logits of each token of a prompt */
    .past = micro_past,
    .eval = micro_eval,
    .make_room = micro_make_room,
    .spell = micro_spell,
    .ends = micro_ends,
};

/* BOS and the prompt into generator->tokens. */
static enum kg_status encode_prompt(struct kg_generator *g, const char *prompt, struct kg_error *error)
{
    const struct kg_tokenizer *tokenizer = &g->model->tokenizer;
    size_t n, room = g->model->n_ctx - 1;
    g->tokens[0] = tokenizer->bos_id;
    enum kg_status status = kg_tokenizer_encode(tokenizer, prompt, g->tokens + 1, room, &n, error);
    if (status != KG_OK) {
        return status;
    }
    if (n > room) {
        kg_error_set(error, KG_E_CONTEXT, "the prompt has %zu tokens, more than the %zu that the context of %u leaves",
                     n, room, g->model->n_ctx);
        kg_error_hint(error, "shorten the prompt to %zu character%s", room, kg_plural(room));
        return KG_E_CONTEXT;
    }
    g->n_prompt = (uint32_t)n + 1;
    return KG_OK;
}

static enum kg_status make_document(struct kg_generator *g, const char *prompt, const struct kg_sink *sinks,
                                    struct kg_error *error)
{
    struct kg_reply *reply = &g->reply;
    *reply = (struct kg_reply){
        .forward = &micro_forward,
        .engine = g,
        .request = &g->request,
        .sinks = sinks,
        .sampler = &g->sampler,
        .text = g->text,
        .n = kg_strlen(prompt),
        .most = g->text_size, /* never more: there is room for every position */
    };
    memcpy(g->text, prompt, reply->n);
    kg_session_reset(g->session);
    enum kg_status status = kg_reply_begin(reply, g->tokens, g->n_prompt, error);
    while (status == KG_OK && !reply->ended) {
        status = kg_reply_step(reply, error);
    }
    if (status == KG_E_NUMBERS) {
        reply->reason = KG_REASON_STOPPED;
    }
    kg_reply_close_text(reply);
    kg_reply_end(reply);
    return status == KG_E_CONTEXT ? KG_OK : status;
}

enum kg_status kg_generate(struct kg_generator *g, const char *prompt, uint32_t samples,
                           const struct kg_request *request, const struct kg_sink *sinks, struct kg_totals *totals,
                           struct kg_error *error)
{
    *totals = (struct kg_totals){0};
    g->request = *request;
    enum kg_status status = encode_prompt(g, prompt, error);
    for (uint32_t i = 0; i < samples && status == KG_OK; i++) {
        g->request.index = i;
        status = make_document(g, prompt, sinks, error);
        totals->samples++;
        totals->prompt_tokens += g->reply.n_read;
        totals->tokens += g->reply.speed.tokens;
    }
    return status;
}
