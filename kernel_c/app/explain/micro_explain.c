/* The shell's `explain` for a microgpt: see explained.h. */
#include "explained.h"

#include "kgpt/math.h"

/* Reads the text, and keeps the weights of attention and the stream behind each layer. */
static enum kg_status read_micro_text(struct kgpt *k, const char *text, struct kg_error *error)
{
    const struct kg_model *m = &k->model;
    struct kg_session *session = &k->session;
    const struct kg_request request = {.sampling = k->config.sampling, .max_tokens = 1};
    struct kg_totals totals;
    uint64_t rows = (uint64_t)m->n_layer * m->n_head * m->n_ctx;
    session->maps = kg_arena_array(&k->arena, rows * m->n_ctx, sizeof *session->maps);
    session->streams = kg_arena_array(&k->arena, (uint64_t)m->n_layer * m->n_embd, sizeof *session->streams);
    if (!session->maps || !session->streams) {
        kg_error_set(error, KG_E_MEMORY, "the maps of %u layers do not fit the memory", m->n_layer);
        kg_error_hint(error, "give the machine more memory");
        return KG_E_MEMORY;
    }
    enum kg_status status = kg_generate(&k->generator, text, 1, &request, NULL, &totals, error);
    return status == KG_OK ? kg_explained_check(k->generator.n_prompt, error) : status;
}

static void show_micro_text(const struct kg_explained *x)
{
    static const struct kg_sampling plain = {.temperature = 1, .top_p = 1};
    struct kgpt *k = x->k;
    const struct kg_model *m = &k->model;
    struct kg_session *session = &k->session;
    struct kg_sampler *sampler = &k->generator.sampler;
    float sum;
    kg_explained_tokens(x);
    for (uint32_t i = 0; i < m->n_layer; i++) { /* behind the last layer these are the model's own logits */
        const float *stream = session->streams + (size_t)i * m->n_embd;
        k->ops.matmul(session->logits, m->lm_head, stream, m->n_vocab, m->n_embd);
        uint32_t n = kg_candidates_choose(sampler, &plain, session->logits, NULL, 0, &sum);
        kg_explained_layer(x, i, kg_sqrtf(k->ops.dot(stream, stream, m->n_embd)), sampler->candidates, n, sum);
    }
    for (uint32_t i = 0; i < m->n_layer; i++) {
        kg_explained_maps(x, i, session->maps + (size_t)i * m->n_head * m->n_ctx * m->n_ctx);
    }
    kg_explained_next(x, sampler, session->logits, NULL, 0);
}

enum kg_status kg_engine_explain(struct kgpt *k, const char *text, struct kg_error *error)
{
    size_t used = k->arena.used;
    enum kg_status status = read_micro_text(k, text, error);
    if (status == KG_OK) {
        const struct kg_explained x = {k, k->generator.tokens, k->generator.n_prompt, k->model.n_head, k->model.n_ctx};
        show_micro_text(&x);
    }
    k->session.maps = NULL;
    kg_arena_rewind(&k->arena, used);
    return status;
}
