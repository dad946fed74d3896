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
    uint32_t most = (session.n_logits ? session.n_logits : 1) + KG_MOST_DRAFTS;
    if (speculation->kind != KG_SPECULATE_OFF) {
        session.n_logits = most < session.n_batch ? most : session.n_batch;
    }
    return session;
}

void kg_speculation_carve(struct kg_speculation *s, const struct kg_speculation_options *wanted,
                          const struct kg_quant_ops *ops, const struct kg_workers *workers,
                          const struct kg_lm_options *session, struct kg_arena *arena)
{
    *s = (struct kg_speculation){.options = *wanted};
    s->pace = &s->own;
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
    kg_draft_pace_fill(&s->own);
    if (s->options.kind == KG_SPECULATE_DRAFT) {
        kg_lm_session_fill(&s->draft);
    }
}

void kg_speculation_carve_beside(struct kg_speculation *s, struct kg_speculation *other, struct kg_arena *arena)
{
    *s = (struct kg_speculation){.options = other->options, .pace = other->pace};
    if (s->options.kind == KG_SPECULATE_DRAFT) {
        kg_lm_session_carve_beside(&s->draft, &other->draft, arena);
    }
}

void kg_speculation_begin(struct kg_speculation *s)
{
    kg_speculation_forget(s);
    s->counts = (struct kg_speculation_counts){0};
    s->chances = (struct kg_draft_chances){0};
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
    kg_draft_pace_told(s->pace, &s->chances, s->length ? s->length + s->next : 0, sampled);
    size_t n_vocab = session->model->n_vocab;
    return sampled && kg_all_finite(s->rows + (s->row + 1) * n_vocab, n_vocab);
}

/* Writes at most `most` drafts to s->drafts. */
static uint32_t draft_tokens(struct kg_speculation *s, const struct kg_lm_session *session, uint32_t token,
                             uint32_t most, struct kg_pass_load *load)
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
        load->tokens += most;
    } else if (most) {
        most = kg_draft_pace_choose(s->pace, &s->chances, load, s->length, most);
    }
    if (most && s->options.kind == KG_SPECULATE_NGRAM) {
        kg_ngram_copy(&ngram, s->drafts, most);
    } else if (most) {
        uint64_t start = plat_ticks();
        most = kg_draft_model(s, session->tokens, session->n_past, token, most, &behind);
        if (most && behind <= BEHIND) {
            kg_draft_pace_drafted(s->pace, most, plat_ticks() - start);
        }
    }
    return most;
}

bool kg_speculation_skip(struct kg_speculation *s, struct kg_lm_session *session, uint32_t token)
{
    if (!was_drafted(s, session, token)) {
        kg_speculation_forget(s);
        return false;
    }
    s->counts.accepted++;
    s->next++;
    s->at++;
    s->row++;
    session->n_past++;
    return true;
}

uint32_t kg_speculation_draft(struct kg_speculation *s, const struct kg_lm_session *session, uint32_t token,
                              uint32_t most, struct kg_pass_load *load)
{
    bool none = s->options.kind == KG_SPECULATE_OFF || session->probe;
    uint32_t n = none ? 0 : draft_tokens(s, session, token, most, load);
    s->piece[0] = token;
    memcpy(s->piece + 1, s->drafts, n * sizeof *s->piece);
    return n;
}

enum kg_status kg_speculation_take(struct kg_speculation *s, const struct kg_lm_piece *piece)
{
    struct kg_lm_session *session = piece->session;
    uint32_t n = piece->n - 1, at = session->n_past - (piece->status == KG_OK ? piece->n : 0);
    enum kg_status status = piece->status;
    if (status == KG_OK && n) {
        kg_lm_truncate(session, at + 1);
        if (!kg_all_finite(piece->logits, session->model->n_vocab)) {
            kg_lm_truncate(session, at);
            status = KG_E_NUMBERS;
        }
    }
    if (status == KG_E_NUMBERS && n) { /* the token alone may be good; if not, its numbers are explained */
        status = kg_lm_eval(session, piece->tokens, 1, NULL, NULL, piece->error);
        n = 0;
    }
    if (status == KG_OK) {
        s->counts.passes++;
        s->counts.drafted += n;
        s->rows = n ? piece->logits : NULL;
        s->n = n;
        s->at = at + 1;
    }
    return status;
}

void kg_speculation_measured(struct kg_speculation *s, uint32_t sequences, uint32_t tokens, uint64_t ticks)
{
    kg_draft_pace_passed(s->pace, sequences, tokens, ticks);
}

enum kg_status kg_speculation_eval(struct kg_speculation *s, struct kg_lm_session *session, uint32_t token,
                                   uint32_t most, bool (*stopped)(void *), void *context, struct kg_error *error)
{
    struct kg_pass_load load = {.sequences = 1, .tokens = 1, .arrives = 1};
    if (kg_speculation_skip(s, session, token)) {
        return KG_OK;
    }
    uint32_t n = kg_speculation_draft(s, session, token, most, &load) + 1;
    struct kg_lm_piece piece = {.session = session, .tokens = s->piece, .n = n, .n_logits = n, .error = error};
    uint64_t start = plat_ticks();
    piece.status = n == 1 ? kg_lm_eval(session, &token, 1, stopped, context, error) : KG_OK;
    if (n > 1) {
        kg_lm_eval_pieces(&piece, 1, stopped, context);
    }
    enum kg_status status = kg_speculation_take(s, &piece);
    if (status == KG_OK) {
        kg_speculation_measured(s, 1, n, plat_ticks() - start);
    }
    return status;
}
