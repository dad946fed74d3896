/* The forward pass of a batch of tokens of one or several sessions, by the description of the architecture:
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
        kg_workers_run(pass->work->workers, each_share, &each);
    }
}

/* Tells each session about its last token, or about all of them; with `logits` only those whose last token leaves
 * some. */
static void probe_stream(const struct kg_lm_pass *pass, const char *what, bool logits)
{
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        const struct kg_lm_run *run = &pass->runs[i];
        const struct kg_lm_session *s = run->session;
        if (s->probe && (!logits || run->n_logits)) {
            for (uint32_t t = s->probe_all ? 0 : run->n - 1; t < run->n; t++) {
                const float *x = kg_lm_row(&pass->work->x, run->first + t);
                s->probe(s->probe_context, what, pass->layer_number, x, pass->model->n_embd);
            }
        }
    }
}

/* Tells each session with memory for its weights of attention about a part of its last token. */
static void probe_part(const struct kg_lm_pass *pass, const char *what, const struct kg_lm_rows *rows, size_t n)
{
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        const struct kg_lm_run *run = &pass->runs[i];
        const struct kg_lm_session *s = run->session;
        if (s->probe && s->attention) {
            s->probe(s->probe_context, what, pass->layer_number, kg_lm_row(rows, run->first + run->n - 1), n);
        }
    }
}

static void probe_heads(const struct kg_lm_pass *pass, const char *query, const char *key)
{
    probe_part(pass, query, &pass->work->query, kg_lm_q_dim(pass->model));
    probe_part(pass, key, &pass->work->key, kg_lm_kv_dim(pass->model));
}

static void probe_attention(const struct kg_lm_pass *pass)
{
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        const struct kg_lm_session *s = pass->runs[i].session;
        if (s->probe && s->attention) {
            s->probe(s->probe_context, "attention", pass->layer_number, s->attention,
                     (size_t)pass->model->n_head * s->options.n_ctx);
        }
    }
    probe_part(pass, "attended", &pass->work->attended, kg_lm_q_dim(pass->model));
}

static void normalize(const struct kg_lm_pass *pass, float *y, const float *x, uint32_t n, const float *weight,
                      const float *bias)
{
    const struct kg_lm_model *m = pass->model;
    kg_lm_normalize(pass->work->ops->base, m->arch->norm, y, x, n, weight, bias, m->extra->norm_eps);
}

static void embed_batch_token(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_model *m = pass->model;
    const struct kg_lm_row_token *token = &pass->tokens[t];
    float *x = kg_lm_row(&pass->work->x, t), *positions = kg_lm_row(&pass->work->projected, t);
    kg_matrix_row(&m->embeddings, token->id, x);
    if (m->extra->matrices[KG_M_POSITIONS].data) {
        kg_matrix_row(&m->extra->matrices[KG_M_POSITIONS], token->position, positions);
        kg_lm_add(x, positions, m->n_embd);
    }
    if (m->arch->embedding_scale) {
        kg_lm_scale(x, m->extra->embedding_scale, m->n_embd);
    }
    if (m->arch->embedding_norm) {
        normalize(pass, x, x, m->n_embd, NULL, NULL);
    }
    struct kg_lm_rope *rope = &pass->work->rope;
    for (uint32_t i = 0; i < KG_LM_N_TURNS && rope->pairs; i++) {
        float *turns = rope->turns[i] + (size_t)t * 2 * rope->pairs;
        kg_lm_rope_turn(rope, i, token->position, rope->magnitude[i], turns);
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
    float *normed = kg_lm_row(&pass->work->normed, t);
    normalize(pass, normed, kg_lm_row(&pass->work->x, t), pass->model->n_embd, l->vectors[KG_V_ATTN_NORM],
              l->vectors[KG_V_ATTN_NORM_BIAS]);
    take_input(pass, normed, matrices, 3, t);
}

static void turn_heads(const struct kg_lm_pass *pass, uint32_t t, float *heads, uint32_t n, const float *norm)
{
    const struct kg_lm_model *m = pass->model;
    const struct kg_lm_rope *rope = &pass->work->rope;
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
    const struct kg_lm_kv *kv = pass->tokens[t].kv;
    float *keys = kg_lm_row(&pass->work->key, t), *values = kg_lm_row(&pass->work->value, t);
    turn_heads(pass, t, kg_lm_row(&pass->work->query, t), m->n_head, pass->layer->vectors[KG_V_Q_NORM]);
    turn_heads(pass, t, keys, m->n_head_kv, pass->layer->vectors[KG_V_K_NORM]);
    for (uint32_t head = 0; head < m->n_head_kv; head++) {
        uint64_t at = (uint64_t)pass->tokens[t].position * kv->vector, from = (uint64_t)head * m->head_dim;
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->keys, pass->layer_number, head) + at, keys + from);
        kg_lm_kv_store(kv, kg_lm_kv_head(kv, kv->values, pass->layer_number, head) + at, values + from);
    }
}

static void take_attended(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_matrix *o = &pass->layer->matrices[KG_M_O];
    kg_lm_take(pass, kg_lm_row(&pass->work->attended, t), o->columns, o, t);
}

/* x += projected, through a norm of its own where the architecture has one. */
static void add_projected(const struct kg_lm_pass *pass, uint32_t t, enum kg_lm_vector norm)
{
    float *projected = kg_lm_row(&pass->work->projected, t);
    if (pass->layer->vectors[norm]) {
        normalize(pass, projected, projected, pass->model->n_embd, pass->layer->vectors[norm], NULL);
    }
    kg_lm_add(kg_lm_row(&pass->work->x, t), projected, pass->model->n_embd);
}

static void add_attention(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_lm_layer *l = pass->layer;
    const struct kg_matrix *const matrices[] = {&l->matrices[KG_M_UP], &l->matrices[KG_M_GATE]};
    float *normed = kg_lm_row(&pass->work->normed, t);
    add_projected(pass, t, KG_V_POST_ATTN_NORM);
    if (!pass->model->arch->parallel) {
        normalize(pass, normed, kg_lm_row(&pass->work->x, t), pass->model->n_embd, l->vectors[KG_V_FFN_NORM],
                  l->vectors[KG_V_FFN_NORM_BIAS]);
    }
    take_input(pass, normed, matrices, 2, t);
}

static void take_hidden(const struct kg_lm_pass *pass, uint32_t t)
{
    const struct kg_matrix *down = &pass->layer->matrices[KG_M_DOWN];
    kg_lm_take(pass, kg_lm_row(&pass->work->hidden, t), down->columns, down, t);
}

static void add_feed_forward(const struct kg_lm_pass *pass, uint32_t t)
{
    add_projected(pass, t, KG_V_POST_FFN_NORM);
}

static void layer(const struct kg_lm_pass *pass)
{
    const struct kg_lm_layer *l = pass->layer;
    struct kg_lm_work *w = pass->work;
    const struct kg_lm_product heads[] = {
        {&l->matrices[KG_M_Q], l->vectors[KG_V_Q_BIAS], w->query},
        {&l->matrices[KG_M_K], l->vectors[KG_V_K_BIAS], w->key},
        {&l->matrices[KG_M_V], l->vectors[KG_V_V_BIAS], w->value},
    };
    const struct kg_lm_product o = {&l->matrices[KG_M_O], l->vectors[KG_V_O_BIAS], w->projected};
    const struct kg_lm_product down = {&l->matrices[KG_M_DOWN], l->vectors[KG_V_DOWN_BIAS], w->projected};
    each_token(pass, take_for_attention);
    kg_lm_products(pass, heads, 3, pass->n);
    probe_heads(pass, "q_raw", "k_raw");
    probe_part(pass, "v", &w->value, kg_lm_kv_dim(pass->model));
    each_token(pass, place_heads);
    probe_heads(pass, "q", "k");
    kg_lm_attend(pass);
    probe_attention(pass);
    each_token(pass, take_attended);
    kg_lm_products(pass, &o, 1, pass->n);
    each_token(pass, add_attention);
    probe_stream(pass, "attn", false);
    kg_lm_feed_forward(pass);
    probe_part(pass, "hidden", &w->hidden, pass->model->n_ff);
    each_token(pass, take_hidden);
    kg_lm_products(pass, &down, 1, pass->n);
    each_token(pass, add_feed_forward);
    probe_stream(pass, "ffn", false);
}

/* The final norm replaces x. The activations of the j-th token that leaves logits are number j. */
static void take_output(const struct kg_lm_pass *pass, float *x, uint32_t j)
{
    const struct kg_lm_model *m = pass->model;
    const float *const *vectors = m->extra->vectors;
    if (vectors[KG_V_OUTPUT_NORM]) {
        normalize(pass, x, x, m->n_embd, vectors[KG_V_OUTPUT_NORM], vectors[KG_V_OUTPUT_NORM_BIAS]);
    }
    kg_lm_take(pass, x, m->n_embd, &m->output, j);
}

static void multiply_output(const struct kg_lm_pass *pass, float *logits, uint32_t n)
{
    const struct kg_lm_model *m = pass->model;
    struct kg_lm_rows rows = {logits, m->n_vocab};
    const struct kg_lm_product output = {&m->output, m->extra->vectors[KG_V_OUTPUT_BIAS], rows};
    kg_lm_products(pass, &output, 1, n);
}

/* Nothing reads x any more behind the final norm. */
static void compute_logits(const struct kg_lm_pass *pass, float *logits)
{
    for (uint32_t j = 0; j < pass->n_logits; j++) {
        take_output(pass, kg_lm_row(&pass->work->x, pass->work->wanted[j]), j);
    }
    probe_stream(pass, "norm", true);
    multiply_output(pass, logits, pass->n_logits);
}

void kg_lm_lens(const struct kg_lm_session *session, const float *x, float *normed, float *logits)
{
    const struct kg_lm_pass pass = {.work = session->work, .model = session->model, .n = 1};
    memcpy(normed, x, session->model->n_embd * sizeof *normed);
    take_output(&pass, normed, 0);
    multiply_output(&pass, logits, 1);
}

bool kg_lm_forward(struct kg_lm_pass *pass, float *logits, bool (*stopped)(void *), void *context)
{
    each_token(pass, embed_batch_token);
    probe_stream(pass, "embed", false);
    for (uint32_t i = 0; i < pass->model->n_layer; i++) {
        if (stopped && stopped(context)) {
            return false;
        }
        pass->layer = &pass->model->layers[i];
        pass->layer_number = i;
        layer(pass);
    }
    if (pass->n_logits) {
        pass->layer_number = pass->model->n_layer;
        compute_logits(pass, logits);
    }
    return true;
}
