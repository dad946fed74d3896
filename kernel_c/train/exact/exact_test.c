#include "kgpt/train_exact.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"

/* What microgpt in CPython 3.11 says of this corpus, seed and shape: tests/hosted/reference_autograd.py. */
static const char corpus_text[] = "anna\nbob\ncarla\ndan\nelena\nfred\ngina\nhanna\n";
static const double microgpt_losses[] = {2.576829904437986,  2.646362970901987,  2.6507379298592473, 2.6733656880097687,
                                         2.478709638013455,  2.479752329999364,  2.5933191799131974, 2.5939695665472335,
                                         2.306377555466596,  2.3256080930738094, 2.476288822719801,  2.4384948402649904,
                                         2.2473262094809585, 2.2110342738273876, 2.4426051534877256, 2.5046230043438853,
                                         2.1842259593275117, 2.1884492668806743, 2.4007024911051027, 2.346978869976929};
static const char *const microgpt_samples[] = {"chfn", "cdnaa", "ealen", "gdnnb", "rdcbn"};

static struct kg_exact_settings small_settings(uint32_t n_vocab)
{
    struct kg_exact_settings settings = {
        .shape = {.n_vocab = n_vocab, .n_ctx = 5, .n_embd = 6, .n_layer = 2, .n_head = 3, .n_ff = 24},
        .adam = kg_adam_defaults(),
        .seed = 7,
    };
    settings.adam.steps = 20;
    return settings;
}

struct training {
    struct kg_corpus corpus;
    struct kg_exact *trainer;
    struct kg_error error;
};

static enum kg_status begin_exact_at(struct kg_test *t, struct training *training, double lr)
{
    enum kg_status status =
        kg_corpus_read(&training->corpus, corpus_text, sizeof corpus_text - 1, 0, t->arena, &training->error);
    struct kg_exact_settings settings = small_settings(training->corpus.n_vocab);
    settings.adam.lr = lr;
    if (status == KG_OK) {
        status = kg_exact_check(&settings, &training->corpus, &training->error);
    }
    if (status == KG_OK) {
        training->trainer = kg_exact_carve(&settings, &training->corpus, t->arena);
        kg_exact_draw(training->trainer);
    }
    return status;
}

static enum kg_status begin_exact(struct kg_test *t, struct training *training)
{
    return begin_exact_at(t, training, kg_adam_defaults().lr);
}

KG_TEST(exact, losses_and_samples_are_those_of_microgpt)
{
    struct training training;
    KG_CHECK_EQ(t, begin_exact(t, &training), KG_OK);
    for (int i = 0; i < 20; i++) {
        double off = kg_exact_step(training.trainer) / microgpt_losses[i] - 1;
        KG_CHECK(t, off > -1e-12 && off < 1e-12);
    }
    KG_CHECK_EQ(t, kg_exact_steps_done(training.trainer), 20);
    for (int i = 0; i < 5; i++) {
        uint32_t tokens[5];
        char text[32];
        kg_corpus_text(&training.corpus, tokens, kg_exact_sample(training.trainer, 0.5, tokens), text, sizeof text);
        KG_CHECK_TEXT(t, text, microgpt_samples[i]);
    }
}

KG_TEST(exact, every_instruction_set_gives_the_same_bits)
{
    struct training plain, wide;
    KG_CHECK(t, begin_exact(t, &plain) == KG_OK && begin_exact(t, &wide) == KG_OK);
    kg_exact_use(wide.trainer, t->cpu->features, KG_ISA_AVX2);
    for (int i = 0; i < 10; i++) {
        KG_CHECK(t, kg_exact_step(plain.trainer) == kg_exact_step(wide.trainer));
    }
    uint64_t size = kg_exact_state_size(plain.trainer);
    uint8_t *state = kg_arena_take(t->arena, size), *other = kg_arena_take(t->arena, size);
    KG_CHECK(t, state && other);
    kg_exact_save(plain.trainer, state);
    kg_exact_save(wide.trainer, other);
    KG_CHECK_EQ(t, memcmp(state, other, size), 0);
}

KG_TEST(exact, goes_on_from_a_state)
{
    struct training whole, halves;
    KG_CHECK(t, begin_exact(t, &whole) == KG_OK && begin_exact(t, &halves) == KG_OK);
    for (int i = 0; i < 10; i++) {
        kg_exact_step(whole.trainer);
    }
    uint64_t size = kg_exact_state_size(whole.trainer);
    uint8_t *state = kg_arena_take(t->arena, size), *again = kg_arena_take(t->arena, size);
    KG_CHECK(t, state && again);
    kg_exact_save(whole.trainer, state);
    KG_CHECK_EQ(t, kg_exact_load(halves.trainer, state, size, &halves.error), KG_OK);
    for (int i = 0; i < 10; i++) {
        KG_CHECK(t, kg_exact_step(whole.trainer) == kg_exact_step(halves.trainer));
    }
    kg_exact_save(whole.trainer, state);
    kg_exact_save(halves.trainer, again);
    KG_CHECK_EQ(t, memcmp(state, again, size), 0);
}

KG_TEST(exact, refuses_a_damaged_state)
{
    struct training training;
    KG_CHECK_EQ(t, begin_exact(t, &training), KG_OK);
    uint64_t size = kg_exact_state_size(training.trainer);
    uint8_t *state = kg_arena_take(t->arena, size);
    KG_CHECK(t, state);
    kg_exact_save(training.trainer, state);
    KG_CHECK_EQ(t, kg_exact_load(training.trainer, state, size - 1, &training.error), KG_E_INPUT);
    KG_CHECK_TEXT(t, training.error.message, "the training cannot go on from this state: it is damaged or cut short");
    state[size / 2] ^= 1;
    KG_CHECK_EQ(t, kg_exact_load(training.trainer, state, size, &training.error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_exact_load(training.trainer, state, 3, &training.error), KG_E_INPUT);
}

KG_TEST(exact, takes_what_it_counts)
{
    struct training training;
    KG_CHECK_EQ(t, kg_corpus_read(&training.corpus, "ab", 2, 0, t->arena, &training.error), KG_OK);
    struct kg_exact_settings settings = small_settings(3);
    struct kg_arena counted = kg_arena_counting();
    kg_exact_carve(&settings, &training.corpus, &counted);
    size_t used = t->arena->used;
    KG_CHECK(t, kg_exact_carve(&settings, &training.corpus, t->arena));
    KG_CHECK_EQ(t, t->arena->used - used, counted.used);
    settings.shape.n_ctx = settings.shape.n_head = settings.shape.n_embd = 1u << 24;
    settings.shape.n_ff = 1;
    kg_exact_carve(&settings, &training.corpus, &counted);
    KG_CHECK_EQ(t, counted.used, SIZE_MAX);
}

KG_TEST(exact, a_loss_that_is_no_number_changes_nothing)
{
    struct training training;
    KG_CHECK_EQ(t, begin_exact_at(t, &training, 1e5), KG_OK);
    double loss = 0;
    while (loss - loss == 0 && kg_exact_steps_done(training.trainer) < 20) {
        loss = kg_exact_step(training.trainer);
    }
    uint64_t done = kg_exact_steps_done(training.trainer);
    KG_CHECK(t, done > 0 && done < 20);
    double first = kg_exact_weights(training.trainer)[0];
    loss = kg_exact_step(training.trainer);
    KG_CHECK(t, loss - loss != 0 && kg_exact_weights(training.trainer)[0] == first);
    KG_CHECK_EQ(t, kg_exact_steps_done(training.trainer), done);
}
