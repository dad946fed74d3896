/* The mean of the hidden states of a text: see kgpt/lm.h. */
#include "kgpt/mem.h"
#include "state.h"
#include "vector.h"

struct sum {
    const struct kg_lm_session *session;
    float *normed;  /* (n_embd) */
    double *values; /* (n_embd) */
};

/* The residual stream of a token behind the last layer. */
static void add_hidden(void *context, const char *what, uint32_t layer, const float *x, size_t n)
{
    struct sum *sum = context;
    const struct kg_lm_model *m = sum->session->model;
    const float *const *vectors = m->extra->vectors;
    if (what[0] != 'f' || layer + 1 != m->n_layer) {
        return;
    }
    if (vectors[KG_V_OUTPUT_NORM]) {
        kg_lm_normalize(sum->session->work->ops->base, m->arch->norm, sum->normed, x, n, vectors[KG_V_OUTPUT_NORM],
                        vectors[KG_V_OUTPUT_NORM_BIAS], m->extra->norm_eps);
        x = sum->normed;
    }
    for (size_t i = 0; i < n; i++) {
        sum->values[i] += (double)x[i];
    }
}

enum kg_status kg_lm_mean(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, float *mean,
                          struct kg_arena *scratch, struct kg_error *error)
{
    uint32_t n_embd = session->model->n_embd;
    size_t used = scratch->used;
    struct sum sum = {session, kg_arena_array(scratch, n_embd, sizeof *sum.normed),
                      kg_arena_array(scratch, n_embd, sizeof *sum.values)};
    if (!sum.normed || !sum.values) {
        kg_arena_rewind(scratch, used);
        return kg_error_set(error, KG_E_MEMORY, "no memory is left for an embedding");
    }
    kg_lm_truncate(session, 0);
    session->probe = add_hidden;
    session->probe_context = &sum;
    session->probe_all = true;
    enum kg_status status = kg_lm_eval(session, tokens, n, NULL, NULL, error);
    session->probe = NULL;
    session->probe_all = false;
    for (uint32_t i = 0; i < n_embd && status == KG_OK; i++) {
        mean[i] = (float)(sum.values[i] / n);
    }
    kg_arena_rewind(scratch, used);
    return status;
}
