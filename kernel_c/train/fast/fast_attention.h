/* Attention of every row to the rows of its path, forward and backward, one group of heads (or as much of it as a
 * vector holds) at a time. */
#ifndef KGPT_TRAIN_FAST_ATTENTION_H
#define KGPT_TRAIN_FAST_ATTENTION_H

#include "fast.h"
#include "train/train_vector.h"

/* One row in one group: where its numbers begin, and who is looked at. */
struct glance {
    const uint32_t *path;
    uint32_t n;    /* length of the path */
    size_t stride; /* of rows of q, k and v */
    uint32_t parts;
    const float *keys, *values; /* of row 0 */
    float *scores;
};

/* Ones where the first n % 4 (or all four) positions of a last block are. */
static const int32_t first_of_four[5][KG_FAST_LANES] __attribute__((aligned(64))) = {
    {0},
    {-1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0},
    {-1, -1, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0},
    {-1, -1, -1, 0, -1, -1, -1, 0, -1, -1, -1, 0, -1, -1, -1, 0},
    {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
};

KG_INLINE ivec within(const struct glance *g, uint32_t s)
{
    uint32_t left = g->n - s;
    return *(const ivec *)first_of_four[left < 4 ? left : 4];
}

/* Lane 4 h + j: row · (what `others` has of position s + j), over head h. Past the end of the path: of its last. */
KG_INLINE vec dots_of_four(const struct glance *g, const float *row, const float *others, uint32_t s)
{
    const uint32_t last = g->n - 1;
    const float *a = others + g->path[s] * g->stride;
    const float *b = others + g->path[s + 1 < last ? s + 1 : last] * g->stride;
    const float *c = others + g->path[s + 2 < last ? s + 2 : last] * g->stride;
    const float *d = others + g->path[s + 3 < last ? s + 3 : last] * g->stride;
    vec x = load_vec(row), sum_a = x * load_vec(a), sum_b = x * load_vec(b), sum_c = x * load_vec(c),
        sum_d = x * load_vec(d);
    for (size_t part = 1, at = KG_FAST_LANES; part < g->parts; part++, at += KG_FAST_LANES) {
        x = load_vec(row + at);
        sum_a = madd(x, load_vec(a + at), sum_a);
        sum_b = madd(x, load_vec(b + at), sum_b);
        sum_c = madd(x, load_vec(c + at), sum_c);
        sum_d = madd(x, load_vec(d + at), sum_d);
    }
    return group_sums(sum_a, sum_b, sum_c, sum_d);
}

/* scores = softmax(query · keys * scale) */
KG_INLINE void look_forward(const struct glance *g, const float *query, float scale)
{
    vec largest = splat(-0x1p126f), sum = {0};
    for (uint32_t s = 0; s < g->n; s += 4) {
        vec score = dots_of_four(g, query, g->keys, s) * splat(scale);
        largest = larger(largest, score);
        store_vec(g->scores + s * 4, score);
    }
    largest = group_largest(largest);
    for (uint32_t s = 0; s < g->n; s += 4) {
        vec e = exponential(load_vec(g->scores + s * 4) - largest);
        e = (vec)((ivec)e & within(g, s));
        sum = sum + e;
        store_vec(g->scores + s * 4, e);
    }
    vec share = splat(1.0f) / group_sum(sum);
    for (uint32_t s = 0; s < g->n; s += 4) {
        store_vec(g->scores + s * 4, load_vec(g->scores + s * 4) * share);
    }
}

/* out = sum over the path of scores * values */
KG_INLINE void gather(const struct glance *g, float *out)
{
    for (size_t part = 0, at = 0; part < g->parts; part++, at += KG_FAST_LANES) {
        const float *values = g->values + at;
        vec sum = {0};
        uint32_t s = 0;
        for (; s + 4 <= g->n; s += 4) {
            vec p = load_vec(g->scores + s * 4);
            sum = madd(KG_SPREAD(p, 0), load_vec(values + g->path[s] * g->stride), sum);
            sum = madd(KG_SPREAD(p, 1), load_vec(values + g->path[s + 1] * g->stride), sum);
            sum = madd(KG_SPREAD(p, 2), load_vec(values + g->path[s + 2] * g->stride), sum);
            sum = madd(KG_SPREAD(p, 3), load_vec(values + g->path[s + 3] * g->stride), sum);
        }
        if (s < g->n) {
            vec p = load_vec(g->scores + s * 4);
            sum = madd(KG_SPREAD(p, 0), load_vec(values + g->path[s] * g->stride), sum);
            if (s + 1 < g->n) {
                sum = madd(KG_SPREAD(p, 1), load_vec(values + g->path[s + 1] * g->stride), sum);
            }
            if (s + 2 < g->n) {
                sum = madd(KG_SPREAD(p, 2), load_vec(values + g->path[s + 2] * g->stride), sum);
            }
        }
        store_vec(out + at, sum);
    }
}

/* The scores' derivatives, times scale, into d_scores. */
KG_INLINE void look_back(const struct glance *g, const float *d_out, float *d_scores, float scale)
{
    vec sum = {0};
    for (uint32_t s = 0; s < g->n; s += 4) {
        vec d = dots_of_four(g, d_out, g->values, s);
        sum = madd(load_vec(g->scores + s * 4), d, sum);
        store_vec(d_scores + s * 4, d);
    }
    sum = group_sum(sum);
    for (uint32_t s = 0; s < g->n; s += 4) {
        vec d = (load_vec(d_scores + s * 4) - sum) * (load_vec(g->scores + s * 4) * splat(scale));
        store_vec(d_scores + s * 4, d);
    }
}

/* What position s gives back: to the query, and to its own key and value. */
struct returns {
    const float *d_scores;
    float *d_keys, *d_values; /* of row 0 */
    vec query, d_out, d_query;
};

KG_INLINE void give_back(const struct glance *g, struct returns *r, size_t at, uint32_t s, vec d_score, vec score)
{
    size_t row = g->path[s] * g->stride + at;
    r->d_query = madd(d_score, load_vec(g->keys + row), r->d_query);
    if (s + 1 == g->n) { /* a row is the first to give to itself: its children come later */
        store_vec(r->d_keys + row, d_score * r->query);
        store_vec(r->d_values + row, score * r->d_out);
        return;
    }
    store_vec(r->d_keys + row, madd(d_score, r->query, load_vec(r->d_keys + row)));
    store_vec(r->d_values + row, madd(score, r->d_out, load_vec(r->d_values + row)));
}

KG_INLINE void scatter(const struct glance *g, struct returns *r, size_t at)
{
    for (uint32_t s = 0; s < g->n; s += 4) {
        vec d = load_vec(r->d_scores + s * 4), p = load_vec(g->scores + s * 4);
        give_back(g, r, at, s, KG_SPREAD(d, 0), KG_SPREAD(p, 0));
        if (s + 1 < g->n) {
            give_back(g, r, at, s + 1, KG_SPREAD(d, 1), KG_SPREAD(p, 1));
        }
        if (s + 2 < g->n) {
            give_back(g, r, at, s + 2, KG_SPREAD(d, 2), KG_SPREAD(p, 2));
        }
        if (s + 3 < g->n) {
            give_back(g, r, at, s + 3, KG_SPREAD(d, 3), KG_SPREAD(p, 3));
        }
    }
}

KG_INLINE struct glance glance_of(const struct kg_fast_dims *d, uint32_t parts, const struct kg_fast_chunk *c,
                                  const struct kg_fast_layer *layer, uint32_t row, uint32_t group, uint32_t lane)
{
    size_t at = (size_t)group * parts * KG_FAST_LANES + lane;
    size_t block = ((size_t)row * d->groups + group) * d->score_blocks;
    return (struct glance){
        .path = c->rows.path[row],
        .n = c->rows.pos[row] + 1,
        .stride = (size_t)3 * d->attention,
        .parts = parts,
        .keys = layer->qkv + d->attention + at,
        .values = layer->qkv + 2 * d->attention + at,
        .scores = layer->scores + block * KG_FAST_LANES + lane,
    };
}

KG_INLINE void attend_by(const struct kg_fast_dims *d, const uint32_t parts, struct kg_fast_chunk *c,
                         struct kg_fast_layer *layer)
{
    for (uint32_t group = 0; group < d->groups; group++) {
        for (uint32_t lane = 0; lane < KG_FAST_LANES; lane += KG_VECTOR) {
            for (uint32_t row = 0; row < c->rows.n; row++) {
                struct glance g = glance_of(d, parts, c, layer, row, group, lane);
                size_t at = (size_t)group * parts * KG_FAST_LANES + lane;
                look_forward(&g, layer->qkv + row * g.stride + at, d->score_scale);
                gather(&g, layer->attended + (size_t)row * d->attention + at);
            }
        }
    }
}

KG_INLINE void attend_back_by(const struct kg_fast_dims *d, const uint32_t parts, struct kg_fast_chunk *c,
                              const struct kg_fast_layer *layer)
{
    for (uint32_t group = 0; group < d->groups; group++) {
        for (uint32_t lane = 0; lane < KG_FAST_LANES; lane += KG_VECTOR) {
            const size_t first = (size_t)group * parts * KG_FAST_LANES + lane;
            struct returns r = {
                .d_scores = c->d_scores + lane,
                .d_keys = c->d_qkv + d->attention + first,
                .d_values = c->d_qkv + 2 * d->attention + first,
            };
            for (uint32_t row = 0; row < c->rows.n; row++) {
                struct glance g = glance_of(d, parts, c, layer, row, group, lane);
                const float *query = layer->qkv + row * g.stride + first;
                const float *d_out = c->d_attended + (size_t)row * d->attention + first;
                look_back(&g, d_out, c->d_scores + lane, d->score_scale);
                for (size_t part = 0, at = 0; part < parts; part++, at += KG_FAST_LANES) {
                    r.query = load_vec(query + at);
                    r.d_out = load_vec(d_out + at);
                    r.d_query = (vec){0};
                    scatter(&g, &r, at);
                    store_vec(c->d_qkv + row * g.stride + first + at, r.d_query);
                }
            }
        }
    }
}

/* Heads of up to four elements, which have one part, are worth a version of their own. */
KG_ONCE void attend_rows(const struct kg_fast_dims *d, struct kg_fast_chunk *c, struct kg_fast_layer *layer)
{
    if (d->parts == 1) {
        attend_by(d, 1, c, layer);
        return;
    }
    attend_by(d, d->parts, c, layer);
}

KG_ONCE void attend_back(const struct kg_fast_dims *d, struct kg_fast_chunk *c, const struct kg_fast_layer *layer)
{
    if (d->parts == 1) {
        attend_back_by(d, 1, c, layer);
        return;
    }
    attend_back_by(d, d->parts, c, layer);
}

#endif
