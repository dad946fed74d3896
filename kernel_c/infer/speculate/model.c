/* Drafts of a smaller model, in a session of its own: see drafts.h. */
#include "drafts.h"

static uint32_t likeliest_token(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Removes from the draft's context what is not in the text: drafts that were not sampled, and earlier texts. Drafts
 * decide nothing, so keys that a shift has moved can stay. */
static void follow_text(struct kg_lm_session *draft, const uint32_t *tokens, uint32_t n)
{
    uint32_t same = 0, most = draft->n_past < n ? draft->n_past : n;
    while (same < most && draft->tokens[same] == tokens[same]) {
        same++;
    }
    kg_lm_truncate(draft, same);
}

uint32_t kg_draft_model(struct kg_speculation *speculation, const uint32_t *tokens, uint32_t n, uint32_t last,
                        uint32_t most, uint32_t *behind)
{
    struct kg_lm_session *draft = &speculation->draft;
    struct kg_error error;
    uint32_t n_ctx = draft->options.n_ctx, token = last;
    if (speculation->failed || n + 1 >= n_ctx) {
        return 0; /* the text is longer than the draft's context */
    }
    most = most < n_ctx - n ? most : n_ctx - n;
    follow_text(draft, tokens, n);
    *behind = n - draft->n_past;
    enum kg_status status = kg_lm_eval(draft, tokens + draft->n_past, *behind, NULL, NULL, &error);
    uint32_t drafted = 0;
    for (; drafted < most && status == KG_OK; drafted++) {
        status = kg_lm_eval(draft, &token, 1, NULL, NULL, &error);
        token = speculation->drafts[drafted] = likeliest_token(draft->logits, draft->model->n_vocab);
    }
    if (status != KG_OK) {
        speculation->failed = true;
        return 0;
    }
    return drafted;
}
