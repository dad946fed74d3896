/* The losses that the shell's command `loss` shows: see training.h. */
#include "kgpt/dmath.h"
#include "kgpt/format.h"
#include "training.h"
#include "training_state.h"

enum kg_status kg_training_losses(const struct kgpt *k, struct kg_error *error)
{
    if (k->trained && kg_training_log_print(&k->trained->log)) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "nothing was trained in this run yet");
    kg_error_hint(error, "\"train\" begins; \"loss TEXT\" is the loss of the model in use");
    return KG_E_INPUT;
}

/* -log softmax(logits)[token] */
static double negative_log_likelihood(const float *logits, uint32_t n, uint32_t token)
{
    double largest = (double)logits[0], sum = 0;
    for (uint32_t i = 1; i < n; i++) {
        largest = (double)logits[i] > largest ? (double)logits[i] : largest;
    }
    for (uint32_t i = 0; i < n; i++) {
        sum += kg_exp((double)logits[i] - largest);
    }
    return kg_log(sum) + largest - (double)logits[token];
}

enum kg_status kg_training_loss(struct kgpt *k, const char *text, double *loss, uint32_t *n, struct kg_error *error)
{
    const struct kg_model *model = &k->model;
    uint32_t *tokens = k->generator.tokens; /* (n_ctx) */
    size_t length;
    enum kg_status status = kg_tokenizer_encode(&model->tokenizer, text, tokens, model->n_ctx, &length, error);
    if (status != KG_OK) {
        return status;
    }
    if (length > model->n_ctx) {
        kg_error_set(error, KG_E_CONTEXT, "the text has %zu tokens, more than the context of %u", length, model->n_ctx);
        kg_error_hint(error, "shorten it to %u character%s", model->n_ctx, kg_plural(model->n_ctx));
        return KG_E_CONTEXT;
    }
    /* As in a training: BOS after the document counts if the context has room for it. */
    uint32_t bos = model->tokenizer.bos_id, count = (uint32_t)length + (length < model->n_ctx);
    double sum = 0;
    kg_session_reset(&k->session);
    for (uint32_t i = 0; i < count; i++) {
        kg_session_step(&k->session, i == 0 ? bos : tokens[i - 1]); /* cannot fail: inside vocabulary and context */
        sum += negative_log_likelihood(k->session.logits, model->n_vocab, i < length ? tokens[i] : bos);
    }
    *loss = sum / count;
    *n = count;
    return KG_OK;
}
