/* Attention of a batch. Heads and tokens do not depend on each other, so the workers share them. */
#include "state.h"
#include "vector.h"

/* One head of one token: out = softmax(query · keys * scale) · values, over the positions in the window of its
 * layer. */
static void attend_head(const struct kg_lm_pass *pass, uint32_t head, uint32_t t, float *scores)
{
    const struct kg_lm_model *m = pass->model;
    const struct kg_lm_work *w = pass->work;
    const struct kg_lm_kv *kv = pass->tokens[t].kv;
    uint32_t kv_head = head / (m->n_head / m->n_head_kv), end = pass->tokens[t].position + 1;
    uint32_t window = pass->layer->window;
    uint32_t first = window && end > window ? end - window : 0, n = end - first;
    size_t at = (size_t)head * m->head_dim;
    kg_lm_kv_scores(kv, kg_lm_kv_head(kv, kv->keys, pass->layer_number, kv_head), first, n,
                    kg_lm_row(&w->query, t) + at, scores);
    kg_lm_scale(scores, m->extra->attn_scale, n);
    kg_lm_softmax(scores, n);
    kg_lm_kv_sum(kv, kg_lm_kv_head(kv, kv->values, pass->layer_number, kv_head), first, n, scores,
                 kg_lm_row(&w->attended, t) + at);
}

static void attend_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct kg_lm_pass *pass = context;
    workers = workers < pass->work->n_scores ? workers : pass->work->n_scores;
    if (worker >= workers) {
        return;
    }
    float *scores = pass->work->scores + (uint64_t)worker * pass->work->n_ctx;
    uint64_t items = (uint64_t)pass->model->n_head * pass->n;
    for (uint64_t i = items * worker / workers; i < items * (worker + 1) / workers; i++) {
        attend_head(pass, (uint32_t)(i / pass->n), (uint32_t)(i % pass->n), scores);
    }
}

void kg_lm_attend(const struct kg_lm_pass *pass)
{
    kg_workers_run(pass->work->workers, attend_share, (void *)pass);
}
