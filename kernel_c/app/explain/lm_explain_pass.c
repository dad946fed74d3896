/* The parts of a token's pass as events: see explain.h. */
#include "explain.h"

#include "app/events/events.h"

#include "kgpt/lm_sampler.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"

static uint32_t position_of(const struct kg_explain *x)
{
    return x->turn.k->lm->conversation.session.n_past; /* the pass has one token */
}

static void send_tensor(const struct kg_explain *x, const char *what, uint32_t layer, const float *values, size_t n)
{
    KG_EMIT(tensor, .what = what, .layer = layer, .pos = position_of(x), .f32 = {values, n});
}

/* Rows of pos + 1 weights, one behind the other, in place of rows of n_ctx. */
static void send_attention(const struct kg_explain *x, uint32_t layer)
{
    const struct kg_lm_session *session = &x->turn.k->lm->conversation.session;
    uint32_t n = position_of(x) + 1;
    for (uint32_t head = 1; head < session->model->n_head; head++) {
        memmove(session->attention + (size_t)head * n, session->attention + (size_t)head * session->options.n_ctx,
                n * sizeof *session->attention);
    }
    send_tensor(x, "attention", layer, session->attention, (size_t)session->model->n_head * n);
}

static float activation_size(float value)
{
    return value < 0 ? -value : value;
}

/* The k strongest of n values by their size, the strongest first, of equal ones the first. */
static void find_strongest(struct kg_explain *x, const float *values, size_t n, uint32_t k)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (found == k && !(activation_size(values[i]) > activation_size(x->values[k - 1]))) {
            continue;
        }
        uint32_t at = found < k ? found++ : k - 1;
        for (; at > 0 && activation_size(values[i]) > activation_size(x->values[at - 1]); at--) {
            x->values[at] = x->values[at - 1];
            x->ids[at] = x->ids[at - 1];
        }
        x->values[at] = values[i];
        x->ids[at] = i;
    }
}

static void send_neurons(struct kg_explain *x, uint32_t layer, const float *values, size_t n)
{
    uint32_t k = n <= KG_EXPLAIN_ALL ? (uint32_t)n : KG_EXPLAIN_NEURONS;
    if (k == n) {
        for (uint32_t i = 0; i < k; i++) {
            x->ids[i] = i;
            x->values[i] = values[i];
        }
    } else {
        find_strongest(x, values, n, k);
    }
    KG_EMIT(neurons, .layer = layer, .pos = position_of(x), .u32 = {x->ids, k}, .f32 = {x->values, k});
}

/* The next tokens if the model ended behind this layer. Behind the last layer these are the model's own logits. */
static void send_lens(struct kg_explain *x, uint32_t layer, const float *stream)
{
    struct kg_conversation *c = &x->turn.k->lm->conversation;
    uint32_t n_vocab = c->sampler.n_vocab, n = n_vocab < KG_EXPLAIN_LENS ? n_vocab : KG_EXPLAIN_LENS;
    uint32_t n_layer = c->session.model->n_layer;
    struct kg_logprob top[KG_EXPLAIN_LENS];
    kg_lm_lens(&c->session, stream, x->normed, x->logits);
    if (kg_layer_list_has(&x->layers, layer)) {
        kg_lm_logprobs(&c->sampler, x->logits, top, n);
        for (uint32_t i = 0; i < n; i++) {
            x->ids[i] = top[i].id;
            x->values[i] = kg_expf(top[i].ln_p);
        }
        KG_EMIT(lens, .layer = layer, .pos = position_of(x), .u32 = {x->ids, n}, .f32 = {x->values, n});
    }
    if (layer + 1 == n_layer && x->n_vectors) {
        send_tensor(x, "norm", n_layer, x->normed, c->session.model->n_embd);
    }
    if (layer + 1 == n_layer && n_vocab <= KG_EXPLAIN_VOCAB) {
        send_tensor(x, "logits", n_layer, x->logits, n_vocab);
    }
}

static float length_of(const struct kg_explain *x, const float *values, size_t n)
{
    return kg_sqrtf(x->turn.k->ops.dot(values, values, n));
}

/* Behind the embedding, attention or the MLP. */
static void tell_stream(struct kg_explain *x, const char *what, uint32_t layer, const float *values, size_t n)
{
    const struct kg_lm_model *m = x->turn.k->lm->conversation.session.model;
    bool embed = what[0] == 'e', mlp = what[0] == 'f';
    x->lengths[embed ? 0 : 1 + 2 * layer + mlp] = length_of(x, values, n);
    if (embed ? x->n_vectors > 0 : kg_layer_list_has(&x->vectors, layer)) {
        send_tensor(x, what, layer, values, n);
    }
    if (mlp && (kg_layer_list_has(&x->layers, layer) || layer + 1 == m->n_layer)) {
        send_lens(x, layer, values);
    }
    if (mlp && layer + 1 == m->n_layer) {
        KG_EMIT(lengths, .pos = position_of(x), .f32 = {x->lengths, 1 + 2 * (size_t)m->n_layer});
    }
}

void kg_explain_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    struct kg_explain *x = context;
    if (kg_streq(what, "embed") || kg_streq(what, "attn") || kg_streq(what, "ffn")) {
        tell_stream(x, what, layer, values, n);
    } else if (kg_streq(what, "norm")) {
        return; /* it was told with the lens of the last layer, for the tokens of the prompt too */
    } else if (kg_streq(what, "attention")) {
        if (kg_layer_list_has(&x->layers, layer)) {
            send_attention(x, layer);
        }
    } else if (kg_streq(what, "hidden")) {
        if (kg_layer_list_has(&x->layers, layer)) {
            send_neurons(x, layer, values, n);
        }
    } else if (kg_layer_list_has(&x->vectors, layer)) {
        send_tensor(x, what, layer, values, n);
    }
}
