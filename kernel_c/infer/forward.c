/* The forward pass of a batch of tokens, by the description of the architecture:
 *
 *   x = embedding of the token (scaled, or with that of the position)
 *   per layer:  x += attention(norm(x));  x += feed-forward(norm(x))
 *   logits = output · norm(x)
 *
 * Steps that treat each token alone are functions of one token, and the workers share the tokens. Products share rows,
 * and attention shares heads. */
#include "kgpt/mem.h"
#include "state.h"
#include "vector.h"

struct each {
    const struct kg_lm_pass *pass;
    void (*work)(const struct kg_lm_pass *pass, uint32_t t);
};

static void each_share(void *context, uint32_t worker, uint32_t workers)
{
    const struct each *each = context;
    uint64_t n = each->pass->n;
    for (uint64_t t = n * worker / workers; t < n * (worker + 1) / workers; t++) {
        each->work(each->pass, (uint32_t)t);
    }
}

/* A single token takes less time than waking a worker. */
static void each_token(const struct kg_lm_pass *pass, void (*work)(const struct kg_lm_pass *pass, uint32_t t))
{
    struct each each = {pass, work};
    if (pass->n == 1) {
        work(pass, 0);
    } else {
        kg_workers_run(pass->session->workers, each_share, &each);
    }
}

static void probe_stream(const struct kg_lm_pass *pass, const char *what)
{
    const struct kg_lm_session *s = pass->session;
    if (s->probe) {
        const float *x = kg_lm_row(&pass->state->x, pass->n - 1);
        s->probe(s->probe_context, what, pass->layer_number, x, pass->model->n_embd);
    }
}

static void normalize(const struct kg_lm_pass *pass, float *y, const float *x, uint32_t n, const float *weight,
                      const float *bias)
{
    const struct kg_lm_model *m = pass->model;
    kg_lm_normalize(pass->session->ops->base, m->arch->norm, y, x, n, weight, bias, m->extra->norm_eps);
}

static void embed_batch_token(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_model *m = pass->model;
    float *x = kg_lm_row(&pass->state->x, t), *positions = kg_lm_row(&pass->state->projected, t);
    kg_matrix_row(&m->embeddings, pass->session->tokens[pass->first + t], x);
    if (m->extra->matrices[KG_M_POSITIONS].data) {
        kg_matrix_row(&m->extra->matrices[KG_M_POSITIONS], pass->first + t, positions);
        kg_lm_add(x, positions, m->n_embd);
    }
    if (m->arch->embedding_scale) {
        kg_lm_scale(x, m->extra->embedding_scale, m->n_embd);
    }
    if (m->arch->embedding_norm) {
        normalize(pass, x, x, m->n_embd, NULL, NULL);
    }
    struct kg_lm_rope *rope = &pass->state->rope;
    for (uint32_t i = 0; i < KG_LM_N_TURNS && rope->pairs; i++) {
        float *turns = rope->turns[i] + (size_t)t * 2 * rope->pairs;
        kg_lm_rope_turn(rope, i, pass->first + t, rope->magnitude[i], turns);
    }
}

/* Converts an input that several matrices read into each kind of activations that they take. */
static void take_input(const struct kg_lm_pass *pass, const float *x, const struct kg_matrix *const *matrices,
                       uint32_t n, uint32_t t)
{
    bool taken[KG_N_ACTS] = {false};
    for (uint32_t i = 0; i < n; i++) {
        if (matrices[i]->data && !taken[kg_type_info(matrices[i]->type)->act]) {
            taken[kg_type_info(matrices[i]->type)->act] = true;
            kg_lm_take(pass, x, matrices[i]->columns, matrices[i], t);
        }
    }
}

static void take_for_attention(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_layer *l = pass->layer;
    const struct kg_matrix *const matrices[] = {&l->matrices[KG_M_Q], &l->matrices[KG_M_K], &l->matrices[KG_M_V]};
    float *normed = kg_lm_row(&pass->state->normed, t);
    normalize(pass, normed, kg_lm_row(&pass->state->x, t), pass->model->n_embd, l->vectors[KG_V_ATTN_NORM],
              l->vectors[KG_V_ATTN_NORM_BIAS]);
    take_input(pass, normed, matrices, 3, t);
}

static void turn_heads(const struct kg_lm_pass *pass, uint32_t t, float *heads, uint32_t n, const float *norm)
{
    const struct kg_lm_model *m = pass->model;
    const struct kg_lm_rope *rope = &pass->state->rope;
    const float *turns = rope->turns[kg_lm_rope_of(m, pass->layer)] + (size_t)t * 2 * rope->pairs;
    for (uint32_t i = 0; i < n; i++, heads += m->head_dim) {
        if (norm) {
            normalize(pass, heads, heads, m->head_dim, norm, NULL);
        }
        kg_lm_rope_apply(rope, turns, heads);
    }
}

/* Queries and keys get their norm and position; keys and values go into the cache. */
static void place_heads(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_model *m = pass->model;
    const struct kg_lm_kv *kv = &pass->state->kv;
    float *keys = kg_lm_row(&pass->state->key, t), *values = kg_lm_row(&pass->state->value, t);
    turn_heads(pass, t, kg_lm_row(&pass->state->query, t), m->n_head, pass->layer->vectors[KG_V_Q_NORM]);
    turn_heads(pass, t, keys, m->n_head_kv, pass->layer->vectors[KG_V_K_NORM]);
    for (uint32_t head = 0; head < m->n_head_kv; head++) {
        uint64_t at = (uint64_t)(pass->first + t) * kv->vector, from = (uint64_t)head * m->head_dim;
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->keys, pass->layer_number, head) + at, keys + from);
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->values, pass->layer_number, head) + at, values + from);
    }
}

static void take_attended(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_matrix *o = &pass->layer->matrices[KG_M_O];
    kg_lm_take(pass, kg_lm_row(&pass->state->attended, t), o->columns, o, t);
}

/* x += projected, through a norm of its own where the architecture has one. */
static void add_projected(const struct kg_lm_pass *pass, uint32_t t, enum kg_lm_vector norm)
{
    float *projected = kg_lm_row(&pass->state->projected, t);
    if (pass->layer->vectors[norm]) {
        normalize(pass, projected, projected, pass->model->n_embd, pass->layer->vectors[norm], NULL);
    }
    kg_lm_add(kg_lm_row(&pass->state->x, t), projected, pass->model->n_embd);
}

static void add_attention(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_layer *l = pass->layer;
    const struct kg_matrix *const matrices[] = {&l->matrices[KG_M_UP], &l->matrices[KG_M_GATE]};
    float *normed = kg_lm_row(&pass->state->normed, t);
    add_projected(pass, t, KG_V_POST_ATTN_NORM);
    if (!pass->model->arch->parallel) {
        normalize(pass, normed, kg_lm_row(&pass->state->x, t), pass->model->n_embd, l->vectors[KG_V_FFN_NORM],
                  l->vectors[KG_V_FFN_NORM_BIAS]);
    }
    take_input(pass, normed, matrices, 2, t);
}

static void take_hidden(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_matrix *down = &pass->layer->matrices[KG_M_DOWN];
    kg_lm_take(pass, kg_lm_row(&pass->state->hidden, t), down->columns, down, t);
}

static void add_feed_forward(const struct kg_lm_pass *pass, uint32_t t)
{
    add_projected(pass, t, KG_V_POST_FFN_NORM);
}

static void layer(const struct kg_lm_pass *pass)
{
    const struct kg_lm_layer *l = pass->layer;
    struct kg_lm_state *s = pass->state;
    const struct kg_lm_product heads[] = {
        {&l->matrices[KG_M_Q], l->vectors[KG_V_Q_BIAS], s->query},
        {&l->matrices[KG_M_K], l->vectors[KG_V_K_BIAS], s->key},
        {&l->matrices[KG_M_V], l->vectors[KG_V_V_BIAS], s->value},
    };
    const struct kg_lm_product o = {&l->matrices[KG_M_O], l->vectors[KG_V_O_BIAS], s->projected};
    const struct kg_lm_product down = {&l->matrices[KG_M_DOWN], l->vectors[KG_V_DOWN_BIAS], s->projected};
    each_token(pass, take_for_attention);
    kg_lm_products(pass, heads, 3, 0, pass->n);
    each_token(pass, place_heads);
    kg_lm_attend(pass);
    each_token(pass, take_attended);
    kg_lm_products(pass, &o, 1, 0, pass->n);
    each_token(pass, add_attention);
    probe_stream(pass, "attn");
    kg_lm_feed_forward(pass);
    each_token(pass, take_hidden);
    kg_lm_products(pass, &down, 1, 0, pass->n);
    each_token(pass, add_feed_forward);
    probe_stream(pass, "ffn");
}

/* The final norm replaces x, since nothing reads that any more. */
static void take_output(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_model *m = pass->model;
    const float *const *vectors = m->extra->vectors;
    float *x = kg_lm_row(&pass->state->x, t);
    if (vectors[KG_V_OUTPUT_NORM]) {
        normalize(pass, x, x, m->n_embd, vectors[KG_V_OUTPUT_NORM], vectors[KG_V_OUTPUT_NORM_BIAS]);
    }
    kg_lm_take(pass, x, m->n_embd, &m->output, t);
}

static void compute_logits(const struct kg_lm_pass *pass)
{
    const struct kg_lm_model *m = pass->model;
    bool all = pass->session->options.all_logits;
    uint32_t first = all ? 0 : pass->n - 1, tokens = pass->n - first;
    for (uint32_t t = first; t < pass->n; t++) {
        take_output(pass, t);
    }
    probe_stream(pass, "norm");
    struct kg_lm_rows logits = {pass->session->logits, m->n_vocab};
    const struct kg_lm_product output = {&m->output, m->extra->vectors[KG_V_OUTPUT_BIAS], logits};
    kg_lm_products(pass, &output, 1, first, tokens);
}

bool kg_lm_forward(struct kg_lm_session *session, uint32_t n, bool logits, bool (*stopped)(void *), void *context)
{
    struct kg_lm_pass pass = {
        .session = session, .model = session->model, .state = session->state, .first = session->n_past, .n = n};
    each_token(&pass, embed_batch_token);
    probe_stream(&pass, "embed");
    for (uint32_t i = 0; i < pass.model->n_layer; i++) {
        if (stopped && stopped(context)) {
            return false;
        }
        pass.layer = &pass.model->layers[i];
        pass.layer_number = i;
        layer(&pass);
    }
    if (logits) {
        pass.layer_number = pass.model->n_layer;
        compute_logits(&pass);
    }
    session->n_past += n;
    session->computed += n;
    return true;
}
