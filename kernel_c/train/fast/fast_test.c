/* The fast trainer against itself: other instruction sets, other hands, a break in between. Its gradients are tested
 * against the NumPy reference in tests/hosted. */
#include "fast.h"
#include "kgpt/mem.h"
#include "kgpt/test.h"

static const char corpus_text[] =
    "ada\nadam\nadele\nagnes\nalan\nanna\nanne\nannabella-maria\nb\nbo\nbob\nbea\ncarl\nclara\n"
    "claire\ndan\ndana\ndora\neve\neva\nevan\nfay\nfred\ngus\ngwen\nhal\nida\nivo\n";

static const struct kg_fast_settings usual = {
    .shape = {.n_ctx = 8, .n_embd = 12, .n_layer = 2, .n_head = 3, .n_ff = 20},
    .adam = {.lr = 0.01, .beta1 = 0.85, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01, .steps = 60},
    .seed = 7,
    .batch = 10,
    .chunks = 3,
    .highest = KG_ISA_AVX512,
};

/* A training of the corpus above; NULL after a check that failed. */
static struct kg_fast *make_trainer(struct kg_test *t, struct kg_fast_settings settings)
{
    struct kg_error error;
    struct kg_corpus *corpus = kg_arena_take(t->arena, sizeof *corpus);
    settings.features = t->cpu->features;
    if (!corpus || kg_corpus_read(corpus, corpus_text, sizeof corpus_text - 1, 0, t->arena, &error) != KG_OK) {
        kg_test_fail(t, __LINE__, "the corpus cannot be read");
        return NULL;
    }
    settings.shape.n_vocab = corpus->n_vocab;
    if (kg_fast_check(&settings, corpus, &error) != KG_OK) {
        kg_test_fail(t, __LINE__, "%s", error.message);
        return NULL;
    }
    struct kg_arena counted = kg_arena_counting();
    size_t before = t->arena->used;
    kg_fast_carve(&settings, corpus, &counted);
    struct kg_fast *trainer = kg_fast_carve(&settings, corpus, t->arena);
    if (t->arena->used - before != counted.used) {
        kg_test_fail(t, __LINE__, "it takes %zu bytes, not the %zu it counts", t->arena->used - before, counted.used);
        return NULL;
    }
    kg_fast_draw(trainer);
    return trainer;
}

static double mean_of_steps(struct kg_fast *trainer, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += kg_fast_step(trainer);
    }
    return sum / n;
}

static bool same_training_bits(const struct kg_fast *a, const struct kg_fast *b)
{
    size_t size = sizeof(float) * a->dims.n_floats;
    return memcmp(a->weights, b->weights, size) == 0 && memcmp(a->mean, b->mean, size) == 0 &&
           memcmp(a->square, b->square, size) == 0 && kg_fast_steps_done(a) == kg_fast_steps_done(b);
}

KG_TEST(train_fast, the_loss_falls)
{
    for (uint32_t isa = 0; isa < KG_N_ISA; isa++) {
        struct kg_fast_settings settings = usual;
        settings.highest = isa;
        struct kg_fast *trainer = make_trainer(t, settings);
        KG_CHECK(t, trainer);
        double before = kg_fast_eval(trainer, 0, trainer->corpus, 0, trainer->corpus->n_documents);
        mean_of_steps(trainer, 60);
        double after = kg_fast_eval(trainer, 2, trainer->corpus, 0, trainer->corpus->n_documents);
        KG_CHECK(t, before > 2.5 && before < 3.5); /* ln 18 is 2.9 */
        KG_CHECK(t, after < 0.75 * before);
        KG_CHECK(t, after > 0.5);
    }
}

/* One step with the chunks and the parts in this order, as several CPUs might come by. */
static void step_backwards(struct kg_fast *trainer, uint32_t parts)
{
    kg_fast_begin(trainer);
    for (uint32_t c = kg_fast_chunks(trainer); c-- > 0;) {
        kg_fast_gradients(trainer, c);
    }
    for (uint32_t part = parts; part-- > 0;) {
        kg_fast_update(trainer, part, parts);
    }
    kg_fast_end(trainer);
}

KG_TEST(train_fast, who_does_what_does_not_show)
{
    struct kg_fast *one = make_trainer(t, usual), *other = make_trainer(t, usual);
    KG_CHECK(t, one && other);
    KG_CHECK_EQ(t, kg_fast_chunks(one), 3);
    for (uint32_t i = 0; i < 20; i++) {
        kg_fast_step(one);
        step_backwards(other, 1 + i);
    }
    KG_CHECK(t, same_training_bits(one, other));
}

KG_TEST(train_fast, fused_arithmetics_give_the_same_bits)
{
    struct kg_fast_settings settings = usual;
    struct kg_fast *widest = make_trainer(t, settings);
    settings.highest = KG_ISA_AVX2;
    struct kg_fast *wide = make_trainer(t, settings);
    KG_CHECK(t, widest && wide);
    KG_CHECK(t, memcmp(widest->weights, wide->weights, sizeof(float) * wide->dims.n_floats) == 0);
    for (int i = 0; i < 30; i++) {
        double a = kg_fast_step(widest), b = kg_fast_step(wide);
        KG_CHECK(t, a == b);
    }
    KG_CHECK(t, same_training_bits(widest, wide));
}

KG_TEST(train_fast, arithmetics_differ_by_rounding_only)
{
    struct kg_fast_settings settings = usual;
    struct kg_fast *fused = make_trainer(t, settings);
    settings.highest = KG_ISA_C;
    struct kg_fast *plain = make_trainer(t, settings);
    KG_CHECK(t, fused && plain);
    KG_CHECK_EQ(t, kg_fast_isa(plain), KG_ISA_C);
    for (int i = 0; i < 10; i++) {
        double difference = kg_fast_step(fused) - kg_fast_step(plain);
        KG_CHECK(t, difference < 1e-4 && difference > -1e-4);
    }
}

KG_TEST(train_fast, a_break_does_not_show)
{
    struct kg_error error;
    struct kg_fast *whole = make_trainer(t, usual), *first = make_trainer(t, usual), *second = make_trainer(t, usual);
    KG_CHECK(t, whole && first && second);
    mean_of_steps(whole, 25);
    mean_of_steps(first, 11);
    uint64_t size = kg_fast_state_size(first);
    void *state = kg_arena_take(t->arena, size);
    KG_CHECK(t, state);
    kg_fast_save(first, state);
    mean_of_steps(second, 3); /* which is to be forgotten */
    KG_CHECK_EQ(t, kg_fast_load(second, state, size, &error), KG_OK);
    KG_CHECK_EQ(t, kg_fast_steps_done(second), 11);
    mean_of_steps(second, 14);
    KG_CHECK(t, same_training_bits(whole, second));
}

KG_TEST(train_fast, a_state_of_another_training_is_refused)
{
    struct kg_error error;
    struct kg_fast_settings settings = usual;
    struct kg_fast *ours = make_trainer(t, settings);
    settings.seed++;
    struct kg_fast *other = make_trainer(t, settings);
    KG_CHECK(t, ours && other);
    uint64_t size = kg_fast_state_size(other);
    void *state = kg_arena_take(t->arena, size);
    KG_CHECK(t, state);
    kg_fast_save(other, state);
    KG_CHECK_EQ(t, kg_fast_load(ours, state, size - 1, &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_fast_load(ours, state, size, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "the saved training is of another seed");
    KG_CHECK_EQ(t, kg_fast_load(other, state, size, &error), KG_OK);
}

KG_TEST(train_fast, impossible_settings_are_refused)
{
    struct kg_error error;
    struct kg_fast_settings settings = usual;
    const struct kg_corpus corpus = {.n_documents = 1, .n_vocab = 18}, none = {.n_vocab = 18};
    settings.shape.n_vocab = 18;
    KG_CHECK_EQ(t, kg_fast_check(&settings, &corpus, &error), KG_OK);
    KG_CHECK_EQ(t, kg_fast_check(&settings, &none, &error), KG_E_INPUT);
    settings.chunks = 11;
    KG_CHECK_EQ(t, kg_fast_check(&settings, &corpus, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "a batch of 10 documents cannot be cut into 11 chunks");
    settings.chunks = settings.batch = 0;
    KG_CHECK_EQ(t, kg_fast_check(&settings, &corpus, &error), KG_E_INPUT);
    settings = usual;
    settings.shape.n_vocab = 18;
    settings.shape.n_head = 5;
    KG_CHECK_EQ(t, kg_fast_check(&settings, &corpus, &error), KG_E_INPUT);
}

KG_TEST(train_fast, sizes_that_overflow_are_not_small)
{
    struct kg_fast_settings settings = usual;
    const struct kg_corpus corpus = {.n_documents = 1, .n_vocab = 1u << 24};
    struct kg_arena counted = kg_arena_counting();
    settings.shape = (struct kg_shape){1u << 24, 1u << 24, 1u << 24, 1u << 20, 1, 1u << 24};
    kg_fast_carve(&settings, &corpus, &counted);
    KG_CHECK_EQ(t, counted.used, SIZE_MAX);
}

/* Rows are the different beginnings: ada, adam and adele share three, two and one letter behind BOS. */
KG_TEST(train_fast, equal_beginnings_are_one_row)
{
    struct kg_fast *trainer = make_trainer(t, usual);
    KG_CHECK(t, trainer);
    struct kg_fast_rows *rows = &trainer->chunks[0].rows;
    kg_fast_rows_begin(rows);
    for (uint32_t document = 0; document < 3; document++) {
        kg_fast_rows_add(rows, trainer->corpus, document, usual.shape.n_ctx, 1.0f);
    }
    kg_fast_rows_end(rows);
    KG_CHECK_EQ(t, rows->n, 8); /* BOS a d a m e l e */
    KG_CHECK_EQ(t, rows->n_targets, 4 + 5 + 6);
    KG_CHECK_EQ(t, rows->pos[4], 4);
    KG_CHECK_EQ(t, rows->path[4][3], 3);
    KG_CHECK_EQ(t, rows->path[7][2], 2);
    KG_CHECK_EQ(t, rows->path[7][3], 5);
    float weight = 1.0f / 4 + 1.0f / 5 + 1.0f / 6;
    KG_CHECK(t, rows->weight[0] == weight);
}
