/* Products of matrices with a batch. The workers share their rows by whole groups; the bits of a row do not depend on
 * the worker that computes it. */
#include "kgpt/pieces.h"
#include "state.h"
#include "vector.h"

#define LEAST_GROUPS 8u /* of a piece: some microseconds */

struct share {
    const struct kg_lm_pass *pass;
    const struct kg_lm_product *products;
    uint32_t n_products;
    uint32_t tokens;
    struct kg_pieces groups; /* of all products, one after the other; of the feed-forward, of each of them */
};

static uint32_t groups_of(const struct kg_matrix *matrix)
{
    return (matrix->rows + KG_GROUP - 1) / KG_GROUP;
}

void kg_lm_take(const struct kg_lm_pass *pass, const float *x, uint32_t n, const struct kg_matrix *matrix, uint32_t t)
{
    enum kg_act act = kg_type_info(matrix->type)->act;
    struct kg_lm_work *w = pass->work;
    w->ops->act[act](w->acts[act] + t * w->act_stride[act], x, n);
}

/* Groups from .. to - 1 of one product. */
static void multiply_groups(const struct share *share, const struct kg_lm_product *p, uint32_t from, uint32_t to)
{
    const struct kg_lm_work *w = share->pass->work;
    enum kg_act act = kg_type_info(p->matrix->type)->act;
    uint32_t first = from * KG_GROUP, end = to * KG_GROUP < p->matrix->rows ? to * KG_GROUP : p->matrix->rows;
    w->ops->rows[p->matrix->type](p->out.data, p->out.stride, p->matrix, first, end - first, w->acts[act],
                                  w->act_stride[act], share->tokens);
    for (uint32_t t = 0; p->bias && t < share->tokens; t++) {
        kg_lm_add(kg_lm_row(&p->out, t) + first, p->bias + first, end - first);
    }
}

/* Groups from .. to - 1 of the sequence that all products form. */
static void multiply_sequence(const struct share *share, uint32_t from, uint32_t to)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < share->n_products; i++) {
        uint32_t end = start + groups_of(share->products[i].matrix);
        uint32_t low = from > start ? from : start, high = to < end ? to : end;
        if (low < high) {
            multiply_groups(share, &share->products[i], low - start, high - start);
        }
        start = end;
    }
}

static void products_share(void *context, uint32_t worker, uint32_t workers)
{
    struct share *share = context;
    struct kg_pieces_walk walk = {0};
    for (uint32_t from, to; kg_pieces_take(&share->groups, &walk, worker, workers, &from, &to);) {
        multiply_sequence(share, from, to);
    }
}

void kg_lm_products(const struct kg_lm_pass *pass, const struct kg_lm_product *products, uint32_t n_products,
                    uint32_t tokens)
{
    struct share share = {pass, products, n_products, tokens, {.least = LEAST_GROUPS}};
    for (uint32_t i = 0; i < n_products; i++) {
        share.groups.units += groups_of(products[i].matrix);
    }
    kg_workers_run(pass->work->workers, products_share, &share);
}

/* The same rows of gate and up, then the activation of these rows. */
static void feed_forward_groups(const struct share *share, uint32_t from, uint32_t to)
{
    const struct kg_lm_product *up = &share->products[0], *gate = &share->products[1];
    enum kg_lm_activation activation = share->pass->model->arch->activation;
    for (uint32_t i = 0; i < share->n_products; i++) {
        multiply_groups(share, &share->products[i], from, to);
    }
    uint32_t first = from * KG_GROUP, end = to * KG_GROUP < up->matrix->rows ? to * KG_GROUP : up->matrix->rows;
    for (uint32_t t = 0; t < share->tokens; t++) {
        float *hidden = kg_lm_row(&up->out, t) + first, *gates = kg_lm_row(&gate->out, t) + first;
        bool gated = share->n_products > 1;
        kg_lm_activate(share->pass->work->ops->attention, activation, gated ? gates : hidden, end - first);
        if (gated) {
            kg_lm_multiply(hidden, gates, end - first);
        }
    }
}

static void feed_forward_share(void *context, uint32_t worker, uint32_t workers)
{
    struct share *share = context;
    struct kg_pieces_walk walk = {0};
    for (uint32_t from, to; kg_pieces_take(&share->groups, &walk, worker, workers, &from, &to);) {
        feed_forward_groups(share, from, to);
    }
}

void kg_lm_feed_forward(const struct kg_lm_pass *pass)
{
    const struct kg_lm_layer *l = pass->layer;
    const struct kg_lm_product products[] = {
        {&l->matrices[KG_M_UP], l->vectors[KG_V_UP_BIAS], pass->work->hidden},
        {&l->matrices[KG_M_GATE], l->vectors[KG_V_GATE_BIAS], pass->work->gate},
    };
    struct share share = {pass,
                          products,
                          l->matrices[KG_M_GATE].data ? 2 : 1,
                          pass->n,
                          {.units = groups_of(products[0].matrix), .least = LEAST_GROUPS}};
    kg_workers_run(pass->work->workers, feed_forward_share, &share);
}
