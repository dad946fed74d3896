/* How a token was drawn, as an event: see explain.h. The filters are those of the reply, run again one after the other:
 * the same logits give the same candidates. */
#include "explain.h"

#include "app/events/events.h"

#include "kgpt/lm_sampler.h"

/* Runs the sampler's first filters with other settings than the reply's. Returns the number of candidates. */
static uint32_t select_with(const struct kg_reply *reply, const struct kg_sampling *sampling)
{
    const struct kg_past *past = &reply->past;
    return reply->sampler->more->select(reply->sampler, sampling, past->logits, past->tokens, past->n);
}

/* The likeliest tokens, into x->ids, x->values (their logits) and x->adjusted. Returns their number. */
static uint32_t find_likeliest(struct kg_explain *x, const struct kg_reply *reply)
{
    struct kg_sampling plain = reply->request->sampling;
    plain.temperature = 1;
    plain.typical_p = 1;
    plain.top_k = KG_EXPLAIN_CANDIDATES;
    uint32_t n = select_with(reply, &plain);
    for (uint32_t i = 0; i < n; i++) {
        x->ids[i] = reply->sampler->candidates[i].id;
        x->values[i] = reply->past.logits[x->ids[i]];
        x->adjusted[i] = reply->sampler->candidates[i].logit;
    }
    return n;
}

/* Tokens that each filter leaves, up to top_p. */
static void count_filtered(const struct kg_reply *reply, struct kg_event_draw *event)
{
    const struct kg_sampling *sampling = &reply->request->sampling;
    struct kg_sampling plain = *sampling;
    plain.typical_p = 1;
    event->top_k = select_with(reply, &plain);
    event->typical_p = select_with(reply, sampling);
    event->top_p = sampling->temperature == 0 ? 1
                                              : kg_candidates_filter(reply->sampler->candidates,
                                                                     (uint32_t)event->typical_p, sampling->top_p, 0);
}

/* Where the draw fell, among all that remain. */
static void tell_place(struct kg_explain *x, const struct kg_reply *reply, uint32_t n, struct kg_event_draw *event)
{
    const struct kg_candidate *candidates = reply->sampler->candidates;
    while (event->place + 1 < n && candidates[event->place].id != event->chosen) {
        event->below += candidates[event->place++].weight;
    }
    for (uint32_t i = 0; i < n && i < KG_EXPLAIN_CANDIDATES; i++) {
        x->kept[i] = candidates[i].id;
        x->weights[i] = candidates[i].weight;
    }
}

static void send_draw(struct kg_explain *x, const struct kg_reply *reply, uint32_t token)
{
    const struct kg_past *past = &reply->past;
    const struct kg_sampling *sampling = &reply->request->sampling;
    struct kg_event_draw event = {.pos = past->n - 1, .chosen = token, .drawn = sampling->temperature != 0};
    float total;
    uint32_t n = find_likeliest(x, reply);
    event.ids = (struct kg_values){x->ids, n};
    event.logits = (struct kg_values){x->values, n};
    event.adjusted = (struct kg_values){x->adjusted, n};
    event.log_sum = (double)past->logits[token] - (double)kg_lm_logprob(past->logits, past->n_vocab, token);
    count_filtered(reply, &event);
    n = kg_candidates_choose(reply->sampler, sampling, past->logits, past->tokens, past->n, &total);
    tell_place(x, reply, n, &event);
    event.min_p = n;
    event.total = total;
    n = n < KG_EXPLAIN_CANDIDATES ? n : KG_EXPLAIN_CANDIDATES;
    event.kept = (struct kg_values){x->kept, n};
    event.weights = (struct kg_values){x->weights, n};
    event.uniform = event.drawn ? kg_random_uniform(&x->random) : 0;
    kg_event_emit(kg_event_row_draw, true, &event);
}

void kg_explain_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    struct kg_explain *x = context;
    kg_event_token(context, reply, token);
    send_draw(x, reply, token->id);
}
