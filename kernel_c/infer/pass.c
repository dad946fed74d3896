/* Forward passes with the tokens of one or several sessions: what goes in, and what comes out. See kgpt/lm.h. */
#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "state.h"

static enum kg_status check_tokens(const struct kg_lm_session *session, const uint32_t *tokens, uint32_t n,
                                   struct kg_error *error)
{
    uint32_t n_ctx = session->options.n_ctx, n_vocab = session->model->n_vocab;
    if (n > n_ctx - session->n_past) {
        return kg_error_set(error, KG_E_CONTEXT, "no room for %u token%s behind %u of a context of %u", n, kg_plural(n),
                            session->n_past, n_ctx);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (tokens[i] >= n_vocab) {
            return kg_error_set(error, KG_E_INPUT, "%u is not one of the %u tokens of the model", tokens[i], n_vocab);
        }
    }
    return KG_OK;
}

/* Adds tokens that stand in session->tokens from n_past on. */
static void append_run(struct kg_lm_pass *pass, struct kg_lm_session *session, uint32_t n, uint32_t n_logits)
{
    struct kg_lm_work *w = pass->work;
    struct kg_lm_kv_base *base = &session->kv->base;
    base->n = base->n < session->n_past ? base->n : session->n_past; /* what was truncated is written to the cache */
    w->runs[pass->n_runs++] = (struct kg_lm_run){.session = session,
                                                 .kv = session->kv,
                                                 .first = pass->n,
                                                 .n = n,
                                                 .position = session->n_past,
                                                 .n_logits = n_logits};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t position = session->n_past + i;
        w->tokens[pass->n + i] = (struct kg_lm_row_token){session->kv, session->tokens[position], position};
    }
    for (uint32_t i = n - n_logits; i < n; i++) {
        w->wanted[pass->n_logits++] = pass->n + i;
    }
    pass->n += n;
}

static struct kg_lm_pass begin_pass(const struct kg_lm_session *session)
{
    struct kg_lm_work *w = session->work;
    return (struct kg_lm_pass){.work = w, .model = session->model, .tokens = w->tokens, .runs = w->runs};
}

/* The first step of a forward pass whose result is no number. */
struct fault {
    const char *what; /* of kg_lm_session.probe; NULL: not found yet */
    uint32_t layer;
};

static void find_fault(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    struct fault *fault = context;
    if (!fault->what && !kg_all_finite(values, n)) {
        *fault = (struct fault){what, layer};
    }
}

/* Computes the `n` tokens behind the context again, alone, and looks at each layer. Only a failing run pays for
 * that. */
static enum kg_status explain_fault(const struct kg_lm_session *session, uint32_t n, struct kg_error *error)
{
    struct fault fault = {0};
    struct kg_lm_session again = *session;
    struct kg_lm_pass pass = begin_pass(session);
    again.probe = find_fault;
    again.probe_context = &fault;
    again.attention = NULL;
    append_run(&pass, &again, n, 1);
    kg_lm_forward(&pass, session->logits, NULL, NULL);
    char what = fault.what ? fault.what[0] : 'o';
    if (what == 'a' || what == 'f') {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite after layer %u, %s", fault.layer,
                     what == 'a' ? "attention" : "feed-forward");
    } else if (what == 'e') {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite: the embedding of token %u is not",
                     session->tokens[session->n_past + n - 1]);
    } else {
        kg_error_set(error, KG_E_NUMBERS, "the logits are not finite after layer %u, %s", session->model->n_layer - 1,
                     what == 'n' ? "the final norm" : "the output's matrix");
    }
    kg_error_hint(error, "the model's weights are damaged or too large: kgpt build MODEL names the tensor; %s",
                  session->options.kv == KG_KV_F32 ? "get the file again" : "get the file again, or try kv=f32");
    return KG_E_NUMBERS;
}

/* Gives a piece its logits, `logits`, and makes its tokens part of the context. The logits of its last token must be
 * finite. */
static void complete_piece(struct kg_lm_piece *piece, const float *logits)
{
    struct kg_lm_session *session = piece->session;
    size_t n_vocab = session->model->n_vocab;
    session->computed += piece->n;
    if (piece->n_logits) {
        piece->logits = logits;
        const float *last = logits + (piece->n_logits - 1) * n_vocab;
        if (last != session->logits) {
            memcpy(session->logits, last, n_vocab * sizeof *last);
        }
        piece->status = kg_all_finite(last, n_vocab) ? KG_OK : KG_E_NUMBERS;
    }
    session->n_past += piece->status == KG_OK ? piece->n : 0;
}

/* A single row of logits goes to its session at once. */
static float *logits_of_pass(const struct kg_lm_pass *pass)
{
    for (uint32_t i = 0; i < pass->n_runs && pass->n_logits == 1; i++) {
        if (pass->runs[i].n_logits) {
            return pass->runs[i].session->logits;
        }
    }
    return pass->work->logits;
}

/* Puts the tokens of a piece behind the context of its session, and into the pass. */
static void add_piece(struct kg_lm_pass *pass, struct kg_lm_piece *piece)
{
    struct kg_lm_session *session = piece->session;
    piece->logits = NULL;
    piece->status = check_tokens(session, piece->tokens, piece->n, piece->error);
    if (piece->status == KG_OK) {
        memmove(session->tokens + session->n_past, piece->tokens, piece->n * sizeof *piece->tokens);
        append_run(pass, session, piece->n, piece->n_logits);
    }
}

static void stop_piece(struct kg_lm_piece *piece)
{
    if (piece->status == KG_OK) {
        piece->status = kg_error_set(piece->error, KG_E_STOPPED, "stopped");
    }
}

void kg_lm_eval_pieces(struct kg_lm_piece *pieces, uint32_t n, bool (*stopped)(void *), void *context)
{
    struct kg_lm_pass pass = begin_pass(pieces[0].session);
    for (uint32_t i = 0; i < n; i++) {
        add_piece(&pass, &pieces[i]);
    }
    float *logits = logits_of_pass(&pass);
    if (pass.n && !kg_lm_forward(&pass, logits, stopped, context)) {
        for (uint32_t i = 0; i < n; i++) {
            stop_piece(&pieces[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (pieces[i].status == KG_OK) {
            complete_piece(&pieces[i], logits);
            logits += (size_t)pieces[i].n_logits * pass.model->n_vocab;
        }
    }
    for (uint32_t i = 0; i < n; i++) { /* after the other pieces have their results: this uses the buffers again */
        if (pieces[i].status == KG_E_NUMBERS) {
            explain_fault(pieces[i].session, pieces[i].n, pieces[i].error);
        }
    }
}

enum kg_status kg_lm_eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, bool (*stopped)(void *),
                          void *context, struct kg_error *error)
{
    enum kg_status status = check_tokens(session, tokens, n, error);
    for (uint32_t done = 0, batch; done < n && status == KG_OK; done += batch) {
        batch = n - done < session->options.n_batch ? n - done : session->options.n_batch;
        struct kg_lm_piece piece = {
            .session = session, .tokens = tokens + done, .n = batch, .n_logits = done + batch == n, .error = error};
        kg_lm_eval_pieces(&piece, 1, stopped, context);
        status = piece.status;
        if (status == KG_E_STOPPED) {
            return kg_error_set(error, KG_E_STOPPED, "stopped after %u of %u token%s", done, n, kg_plural(n));
        }
    }
    return status;
}
