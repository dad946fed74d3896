#include "kgpt/session.h"

#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/test.h"
#include "test_model.h"

/* Odd sizes, several layers, and fewer key heads than heads. */
static const struct kg_test_shape shape = {
    .n_vocab = 11, .n_ctx = 6, .n_embd = 42, .n_layer = 3, .n_head = 6, .n_head_kv = 2, .n_ff = 53};

static const uint32_t tokens[6] = {10, 3, 0, 7, 7, 9};

struct fixture {
    struct kg_model model;
    struct kg_ops ops;
    struct kg_session session;
};

static bool set_up_session(struct kg_test *t, struct fixture *f, enum kg_isa isa)
{
    struct kg_error error;
    const struct kg_model_data *data = kg_test_model(t->arena, &shape, 7);
    kg_ops_fill(&f->ops, t->cpu->features, isa);
    if (!data || kg_model_open(&f->model, data, data->size, &error) != KG_OK) {
        return false;
    }
    kg_session_carve(&f->session, &f->model, &f->ops, t->arena);
    return true;
}

KG_TEST(session, takes_what_it_counts)
{
    struct fixture f;
    struct kg_arena counted = kg_arena_counting();
    KG_CHECK(t, set_up_session(t, &f, KG_ISA_C));
    kg_session_carve(&f.session, &f.model, &f.ops, &counted);
    KG_CHECK_EQ(t, f.session.kv_bytes, 2 * kg_arena_cost(3 * 6 * 14 * 4));
    size_t before = t->arena->used;
    kg_session_carve(&f.session, &f.model, &f.ops, t->arena);
    KG_CHECK_EQ(t, t->arena->used - before, counted.used);
    KG_CHECK_EQ(t, f.session.kv_bytes, 2 * kg_arena_cost(3 * 6 * 14 * 4));
}

KG_TEST(session, sizes_that_overflow_are_not_small)
{
    struct kg_model huge = {.n_ctx = 1u << 24, .kv_dim = 1u << 24, .n_layer = 1u << 24};
    struct kg_session session;
    struct kg_arena counted = kg_arena_counting();
    kg_session_carve(&session, &huge, NULL, &counted);
    KG_CHECK_EQ(t, counted.used, SIZE_MAX);
}

KG_TEST(session, the_context_ends)
{
    struct fixture f;
    KG_CHECK(t, set_up_session(t, &f, KG_ISA_C));
    for (int i = 0; i < 6; i++) {
        KG_CHECK_EQ(t, f.session.pos, i);
        KG_CHECK_EQ(t, kg_session_step(&f.session, tokens[i]), KG_OK);
    }
    KG_CHECK_EQ(t, kg_session_step(&f.session, 1), KG_E_CONTEXT);
    kg_session_reset(&f.session);
    KG_CHECK_EQ(t, kg_session_step(&f.session, 11), KG_E_INPUT);
    KG_CHECK_EQ(t, f.session.pos, 0);
}

KG_TEST(session, a_used_session_gives_the_bits_of_a_new_one)
{
    struct fixture f;
    float first[3][11];
    KG_CHECK(t, set_up_session(t, &f, KG_ISA_C));
    for (int i = 0; i < 3; i++) {
        kg_session_step(&f.session, tokens[i]);
        memcpy(first[i], f.session.logits, sizeof first[i]);
    }
    for (int i = 3; i < 6; i++) {
        kg_session_step(&f.session, tokens[i]);
    }
    kg_session_reset(&f.session);
    for (int i = 0; i < 3; i++) {
        kg_session_step(&f.session, tokens[i]);
        KG_CHECK(t, memcmp(first[i], f.session.logits, sizeof first[i]) == 0);
    }
}

KG_TEST(session, every_isa_gives_the_same_logits)
{
    float expected[6][11];
    for (uint32_t isa = 0; isa < KG_N_ISA; isa++) {
        struct fixture f;
        KG_CHECK(t, set_up_session(t, &f, isa));
        for (int i = 0; i < 6; i++) {
            kg_session_step(&f.session, tokens[i]);
            if (isa == KG_ISA_C) {
                memcpy(expected[i], f.session.logits, sizeof expected[i]);
            }
            KG_CHECK(t, memcmp(expected[i], f.session.logits, sizeof expected[i]) == 0);
        }
    }
}

/* Below: the model once more, in double precision, whole documents at a time, as plainly as it can be said. */

#define T 6  /* positions */
#define C 42 /* n_embd */
#define H 6  /* heads */
#define D 7  /* head_dim */
#define F 53 /* n_ff */

static void multiply_exactly(double *y, const float *w, const double *x, int rows, int columns)
{
    for (int r = 0; r < rows; r++) {
        y[r] = 0;
        for (int c = 0; c < columns; c++) {
            y[r] += (double)w[r * columns + c] * x[c];
        }
    }
}

static void normalise(double *y, const double *x)
{
    double mean = 0;
    for (int i = 0; i < C; i++) {
        mean += x[i] * x[i] / C;
    }
    for (int i = 0; i < C; i++) {
        y[i] = x[i] / kg_sqrt(mean + 1e-5);
    }
}

static void plain_attention(double out[C], double q[T][C], double k[T][2 * D], double v[T][2 * D], int now)
{
    for (int h = 0; h < H; h++) {
        double p[T], sum = 0;
        int kv = h / 3 * D;
        for (int s = 0; s <= now; s++) {
            double score = 0;
            for (int d = 0; d < D; d++) {
                score += q[now][h * D + d] * k[s][kv + d] / kg_sqrt(D);
            }
            p[s] = (double)kg_expf((float)score);
            sum += p[s];
        }
        for (int d = 0; d < D; d++) {
            out[h * D + d] = 0;
            for (int s = 0; s <= now; s++) {
                out[h * D + d] += p[s] / sum * v[s][kv + d];
            }
        }
    }
}

static void plain_layer(struct kg_layer w, double x[T][C])
{
    static double q[T][C], k[T][2 * D], v[T][2 * D];
    double n[C], out[C], hidden[F], added[C];
    for (int i = 0; i < T; i++) {
        normalise(n, x[i]);
        multiply_exactly(q[i], w.wq, n, C, C);
        multiply_exactly(k[i], w.wk, n, 2 * D, C);
        multiply_exactly(v[i], w.wv, n, 2 * D, C);
    }
    for (int i = 0; i < T; i++) {
        plain_attention(out, q, k, v, i);
        multiply_exactly(added, w.wo, out, C, C);
        for (int c = 0; c < C; c++) {
            x[i][c] += added[c];
        }
        normalise(n, x[i]);
        multiply_exactly(hidden, w.fc1, n, F, C);
        for (int f = 0; f < F; f++) {
            hidden[f] = hidden[f] > 0 ? hidden[f] : 0;
        }
        multiply_exactly(added, w.fc2, hidden, C, F);
        for (int c = 0; c < C; c++) {
            x[i][c] += added[c];
        }
    }
}

static double magnitude(double x)
{
    return x < 0 ? -x : x;
}

KG_TEST(session, agrees_with_the_plain_model)
{
    static double x[T][C];
    double sum[C], logits[11];
    struct fixture f;
    KG_CHECK(t, set_up_session(t, &f, KG_N_ISA - 1));
    for (int i = 0; i < T; i++) {
        for (int c = 0; c < C; c++) {
            sum[c] = (double)f.model.wte[tokens[i] * C + c] + (double)f.model.wpe[i * C + c];
        }
        normalise(x[i], sum);
    }
    for (uint32_t layer = 0; layer < shape.n_layer; layer++) {
        plain_layer(kg_model_layer(&f.model, layer), x);
    }
    for (int i = 0; i < T; i++) {
        double largest = 0, off = 0;
        multiply_exactly(logits, f.model.lm_head, x[i], 11, C);
        kg_session_step(&f.session, tokens[i]);
        for (int v = 0; v < 11; v++) {
            double difference = magnitude(logits[v] - (double)f.session.logits[v]);
            largest = magnitude(logits[v]) > largest ? magnitude(logits[v]) : largest;
            off = difference > off ? difference : off;
        }
        if (!(off <= 1e-5 * largest)) {
            kg_test_fail(t, __LINE__, "position %d is %.9f off, of %.3f", i, off, largest);
            return;
        }
    }
}
