/* mode=perplexity: how well the model predicts a text. As llama-perplexity does, the text is cut into windows of as
 * many tokens as the context holds. Each window starts with an empty context, and with BOS where the vocabulary adds
 * one. The tokens of its second half are scored, because those before have little context. */
#include "lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/shell/shell.h"

#include "kgpt/dmath.h"
#include "kgpt/str.h"

#define LEAST_WINDOW 4u

/* Of all tokens scored so far. */
struct score {
    uint64_t n;
    double sum, squares; /* of -ln p */
};

static bool score_is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

/* -ln of the probability of `token`, in nats. */
static double surprise(const float *logits, uint32_t n_vocab, uint32_t token)
{
    float largest = logits[0];
    double sum = 0;
    for (uint32_t i = 1; i < n_vocab; i++) {
        largest = logits[i] > largest ? logits[i] : largest;
    }
    for (uint32_t i = 0; i < n_vocab; i++) {
        sum += kg_exp((double)logits[i] - (double)largest);
    }
    return kg_log(sum) - ((double)logits[token] - (double)largest);
}

/* All tokens of the text, in memory of the arena. */
static enum kg_status encode_scored_text(struct kgpt *k, uint32_t **tokens, size_t *n, struct kg_error *error)
{
    const struct kg_vocab *vocab = &k->lm->loaded.vocab;
    const struct kg_fragment fragment = {.text = k->prompt, .n = kg_strlen(k->prompt)};
    uint32_t none, n_bos = vocab->add_bos && vocab->bos != KG_NO_TOKEN;
    enum kg_status status = kg_vocab_encode(vocab, &fragment, 1, &none, 0, n, &k->arena, error);
    if (status != KG_OK) {
        return status;
    }
    *tokens = kg_arena_array(&k->arena, *n + n_bos, sizeof **tokens);
    if (!*tokens) {
        kg_error_set(error, KG_E_MEMORY, "the %zu tokens of the text do not fit the memory", *n);
        kg_error_hint(error, "give the machine more memory, or a shorter text");
        return KG_E_MEMORY;
    }
    if (n_bos) {
        (*tokens)[0] = vocab->bos;
    }
    status = kg_vocab_encode(vocab, &fragment, 1, *tokens + n_bos, *n, n, &k->arena, error);
    *n += n_bos;
    return status;
}

/* Adds the tokens of the window's second half, except its first one, to the score. */
static enum kg_status score_window(struct kgpt *k, uint32_t *window, struct score *score, struct kg_error *error)
{
    struct kg_lm_session *session = &k->lm->conversation.session;
    const struct kg_vocab *vocab = &k->lm->loaded.vocab;
    uint32_t n_ctx = session->options.n_ctx, half = n_ctx / 2, n_vocab = session->model->n_vocab, batch;
    if (vocab->add_bos && vocab->bos != KG_NO_TOKEN) {
        window[0] = vocab->bos;
    }
    kg_lm_truncate(session, 0);
    enum kg_status status = kg_lm_eval(session, window, half, score_is_stopped, k, error);
    for (uint32_t at = half; at < n_ctx && status == KG_OK; at += batch) {
        batch = n_ctx - at < session->options.n_batch ? n_ctx - at : session->options.n_batch;
        struct kg_lm_piece piece = {
            .session = session, .tokens = window + at, .n = batch, .n_logits = batch, .error = error};
        kg_lm_eval_pieces(&piece, 1, score_is_stopped, k);
        status = piece.status;
        for (uint32_t i = 0; i < batch && at + i + 1 < n_ctx && status == KG_OK; i++) {
            double nll = surprise(piece.logits + (size_t)i * n_vocab, n_vocab, window[at + i + 1]);
            score->n++;
            score->sum += nll;
            score->squares += nll * nll;
        }
    }
    return status;
}

static void report_score(const struct score *score, uint32_t window, uint32_t n_windows)
{
    double n = (double)score->n, mean = score->sum / n, variance = score->squares / n - mean * mean;
    double deviation = score->n > 1 && variance > 0 ? kg_sqrt(variance / (n - 1)) : 0;
    kg_print("window %u of %u: perplexity %.4f ± %.4f\n", window + 1, n_windows, kg_exp(mean),
             kg_exp(mean) * deviation);
    KG_EMIT(perplexity, .window = window, .windows = n_windows, .tokens = score->n, .nll = mean,
            .deviation = deviation);
}

enum kg_status kg_lm_perplexity(struct kgpt *k, struct kg_error *error)
{
    uint32_t n_ctx = k->lm->conversation.session.options.n_ctx, *tokens = NULL, most = k->config.lm.windows;
    struct score score = {0};
    size_t n = 0, used = k->arena.used;
    if (n_ctx < LEAST_WINDOW) {
        return kg_error_set(error, KG_E_INPUT, "windows of %u tokens are too short: choose ctx=%u or more", n_ctx,
                            LEAST_WINDOW);
    }
    enum kg_status status = encode_scored_text(k, &tokens, &n, error);
    uint64_t n_windows = most && n / n_ctx > most ? most : n / n_ctx;
    if (status == KG_OK && !n_windows) {
        kg_error_set(error, KG_E_INPUT, "the text has %zu tokens, and a window %u", n, n_ctx);
        kg_error_hint(error, "give a longer text as the prompt, or choose a smaller ctx=");
        status = KG_E_INPUT;
    }
    for (uint32_t i = 0; i < n_windows && status == KG_OK; i++) {
        status = score_window(k, tokens + (size_t)i * n_ctx, &score, error);
        if (status == KG_OK) {
            report_score(&score, i, (uint32_t)n_windows);
        }
    }
    kg_arena_rewind(&k->arena, used);
    return status;
}
