/* Speculative decoding: see kgpt/speculation.h. */
#include "drafts.h"

#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"

#define BEHIND 8u /* tokens: a draft model that has more to read first is not measured */

struct kg_lm_options kg_speculation_session(const struct kg_speculation_options *speculation,
                                            const struct kg_lm_options *options)
{
    struct kg_lm_options session = *options;
    uint32_t most = session.n_batch < KG_MOST_DRAFTS + 1 ? session.n_batch : KG_MOST_DRAFTS + 1;
    if (speculation->kind != KG_SPECULATE_OFF && session.n_logits < most) {
        session.n_logits = most;
    }
    return session;
}

void kg_speculation_carve(struct kg_speculation *s, const struct kg_speculation_options *wanted,
                          const struct kg_quant_ops *ops, const struct kg_workers *workers,
                          const struct kg_lm_options *session, struct kg_arena *arena)
{
    *s = (struct kg_speculation){.options = *wanted};
    if (wanted->kind != KG_SPECULATE_DRAFT) {
        return;
    }
    uint32_t most = wanted->model->n_ctx_train;
    const struct kg_lm_options options = {
        .n_ctx = session->n_ctx < most ? session->n_ctx : most, .n_batch = session->n_batch, .kv = wanted->kv};
    kg_lm_session_carve(&s->draft, wanted->model, ops, workers, &options, arena);
}

void kg_speculation_fill(struct kg_speculation *s)
{
    kg_draft_pace_fill(&s->pace);
    if (s->options.kind == KG_SPECULATE_DRAFT) {
        kg_lm_session_fill(&s->draft);
    }
}

void kg_speculation_begin(struct kg_speculation *s)
{
    kg_speculation_forget(s);
    s->counts = (struct kg_speculation_counts){0};
}

void kg_speculation_forget(struct kg_speculation *s)
{
    s->n = s->next = s->row = 0;
    s->rows = NULL;
}

void kg_speculation_shift(struct kg_speculation *s, uint32_t keep, uint32_t discard)
{
    if (s->options.kind == KG_SPECULATE_DRAFT && s->draft.n_past > keep + discard) {
        kg_lm_shift(&s->draft, keep, discard);
    }
}

const float *kg_speculation_logits(const struct kg_speculation *s, const struct kg_lm_session *session)
{
    return s->rows ? s->rows + (size_t)s->row * session->model->n_vocab : session->logits;
}

/* True if a pass has computed this token already, with finite logits: those of a token that is computed alone get an
 * explanation. */
static bool was_drafted(struct kg_speculation *s, struct kg_lm_session *session, uint32_t token)
{
    if (s->next == s->n || s->at != session->n_past) {
        return false;
    }
    bool sampled = s->drafts[s->next] == token;
    kg_draft_pace_told(&s->pace, s->length ? s->length + s->next : 0, sampled);
    size_t n_vocab = session->model->n_vocab;
    return sampled && kg_all_finite(s->rows + (s->row + 1) * n_vocab, n_vocab);
}

/* Writes at most `most` drafts to s->drafts. */
static uint32_t draft_tokens(struct kg_speculation *s, const struct kg_lm_session *session, uint32_t token,
                             uint32_t most)
{
    uint32_t n_batch = session->options.n_batch, room = session->options.n_ctx - session->n_past, behind = 0;
    struct kg_ngram ngram = {.tokens = session->tokens, .n = session->n_past, .last = token};
    most = most < KG_MOST_DRAFTS ? most : KG_MOST_DRAFTS;
    most = most < n_batch ? most : n_batch - 1;
    most = most < room ? most : room - (room > 0);
    s->length = 0;
    if (most && s->options.kind == KG_SPECULATE_NGRAM) {
        kg_ngram_find(&ngram);
        most = ngram.length ? most : 0;
        s->length = ngram.length;
    }
    if (most && s->options.tokens) {
        most = most < s->options.tokens ? most : s->options.tokens;
    } else if (most) {
        most = kg_draft_pace_choose(&s->pace, s->length, most);
    }
    if (most && s->options.kind == KG_SPECULATE_NGRAM) {
        kg_ngram_copy(&ngram, s->drafts, most);
    } else if (most) {
        uint64_t start = plat_ticks();
        most = kg_draft_model(s, session->tokens, session->n_past, token, most, &behind);
        if (most && behind <= BEHIND) {
            kg_draft_pace_drafted(&s->pace, most, plat_ticks() - start);
        }
    }
    return most;
}

/* One pass for the token and `n` drafts. */
static enum kg_status verify_drafts(struct kg_speculation *s, struct kg_lm_session *session, uint32_t token, uint32_t n,
                                    bool (*stopped)(void *), void *context, struct kg_error *error)
{
    uint32_t batch[KG_MOST_DRAFTS + 1] = {token}, at = session->n_past;
    memcpy(batch + 1, s->drafts, n * sizeof *batch);
    struct kg_lm_piece piece = {.session = session, .tokens = batch, .n = n + 1, .n_logits = n + 1, .error = error};
    kg_lm_eval_pieces(&piece, 1, stopped, context);
    if (piece.status != KG_OK) {
        return piece.status;
    }
    kg_lm_truncate(session, at + 1);
    if (!kg_all_finite(piece.logits, session->model->n_vocab)) {
        kg_lm_truncate(session, at);
        return KG_E_NUMBERS;
    }
    s->rows = piece.logits;
    s->counts.drafted += n;
    s->n = n;
    s->at = at + 1;
    return KG_OK;
}

enum kg_status kg_speculation_eval(struct kg_speculation *s, struct kg_lm_session *session, uint32_t token,
                                   uint32_t most, bool (*stopped)(void *), void *context, struct kg_error *error)
{
    if (was_drafted(s, session, token)) {
        s->counts.accepted++;
        s->next++;
        s->at++;
        s->row++;
        session->n_past++;
        return KG_OK;
    }
    kg_speculation_forget(s);
    uint32_t n = s->options.kind == KG_SPECULATE_OFF || session->probe ? 0 : draft_tokens(s, session, token, most);
    uint64_t start = plat_ticks();
    enum kg_status status = KG_E_NUMBERS;
    if (n) {
        status = verify_drafts(s, session, token, n, stopped, context, error);
    }
    if (status == KG_E_NUMBERS) { /* or there are no drafts; those of the token alone are explained */
        n = 0;
        status = kg_lm_eval(session, &token, 1, stopped, context, error);
    }
    if (status == KG_OK) {
        s->counts.passes++;
        kg_draft_pace_pass(&s->pace, n + 1, plat_ticks() - start);
    }
    return status;
}
