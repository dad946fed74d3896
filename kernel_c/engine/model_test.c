#include "kgpt/model.h"

#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/str.h"
#include "kgpt/test.h"
#include "test_model.h"

static const struct kg_test_shape shape = {
    .n_vocab = 5, .n_ctx = 3, .n_embd = 6, .n_layer = 2, .n_head = 3, .n_head_kv = 1, .n_ff = 7};

KG_TEST(model, the_embedded_model_is_accepted)
{
    struct kg_model model;
    struct kg_error error;
    if (!kg_streq(kgpt_model.arch, "microgpt")) {
        return; /* a kernel for language models */
    }
    if (kg_model_open(&model, &kgpt_model, UINT64_MAX, &error) != KG_OK) {
        kg_test_fail(t, __LINE__, "%s", error.message);
        return;
    }
    KG_CHECK_EQ(t, model.n_parameters * 4, kgpt_model.weights_size);
    KG_CHECK_EQ(t, (uintptr_t)model.wte % KG_MODEL_ALIGN, 0);
}

KG_TEST(model, places_every_matrix)
{
    struct kg_model m;
    struct kg_error error;
    const struct kg_model_data *data = kg_test_model(t->arena, &shape, 1);
    KG_CHECK_EQ(t, kg_model_open(&m, data, data->size, &error), KG_OK);
    KG_CHECK(t, m.head_dim == 2 && m.kv_dim == 2);
    KG_CHECK_EQ(t, m.wpe - m.wte, 5 * 6);
    KG_CHECK_EQ(t, m.lm_head - m.wpe, 3 * 6);
    struct kg_layer first = kg_model_layer(&m, 0), second = kg_model_layer(&m, 1);
    KG_CHECK_EQ(t, first.wq - m.lm_head, 5 * 6);
    KG_CHECK_EQ(t, first.wk - first.wq, 36);
    KG_CHECK_EQ(t, first.wv - first.wk, 12);
    KG_CHECK_EQ(t, first.wo - first.wv, 12);
    KG_CHECK_EQ(t, first.fc1 - first.wo, 36);
    KG_CHECK_EQ(t, first.fc2 - first.fc1, 42);
    KG_CHECK_EQ(t, second.wq - first.fc2, 42);
    KG_CHECK_EQ(t, second.fc2 + 42 - m.wte, m.n_parameters);
}

/* Changes one field of a good header, and expects a refusal that mentions `word`. */
#define REFUSES(t, change, word)                                                \
    do {                                                                        \
        struct kg_model model_;                                                 \
        struct kg_error error_ = {{0}, {0}};                                    \
        struct kg_model_data *data = kg_test_model((t)->arena, &shape, 1);      \
        uint64_t available = data->size;                                        \
        change;                                                                 \
        KG_CHECK(t, kg_model_open(&model_, data, available, &error_) != KG_OK); \
        if (!has_word(error_.message, word)) {                                  \
            kg_test_fail(t, __LINE__, "%s: \"%s\"", #change, error_.message);   \
            return;                                                             \
        }                                                                       \
    } while (0)

static bool has_word(const char *text, const char *word)
{
    for (; *text; text++) {
        if (kg_str_starts(text, word)) {
            return true;
        }
    }
    return false;
}

KG_TEST(model, refuses_a_wrong_identity)
{
    REFUSES(t, data->magic = 0, "magic");
    REFUSES(t, data->version = 2, "version");
    REFUSES(t, memcpy(data->arch, "llama", 6), "llama");
    REFUSES(t, data->weight_type = 1, "weight type");
    REFUSES(t, memset(data->name, 'x', sizeof data->name), "name");
    REFUSES(t, available = 100, "bytes");
}

KG_TEST(model, refuses_impossible_sizes)
{
    REFUSES(t, data->n_layer = 0, "n_layer");
    REFUSES(t, data->n_vocab = 0xFFFFFFFF, "n_vocab");
    REFUSES(t, data->n_head = 4, "heads");
    REFUSES(t, data->n_head_kv = 2, "heads");
    REFUSES(t, data->n_ff = 8, "weights");
    REFUSES(t, data->bos_id = 5, "vocabulary");
    REFUSES(t, data->norm_eps = -1, "norm_eps");
    REFUSES(t, data->norm_eps = __builtin_nanf(""), "norm_eps");
    REFUSES(t, data->n_embd = 3 << 22; data->n_ff = 1 << 24; data->n_layer = 1 << 24, "large");
}

KG_TEST(model, refuses_places_outside_of_it)
{
    REFUSES(t, data->size = data->size - 64, "outside");
    REFUSES(t, data->size = data->size + 64, "bytes");
    REFUSES(t, available = data->size - 1, "bytes");
    REFUSES(t, data->weights_size += 4, "weights");
    REFUSES(t, data->weights_offset = UINT64_MAX - 63, "outside");
    REFUSES(t, data->weights_offset += 4, "outside");
    REFUSES(t, data->vocab_size = UINT64_MAX, "outside");
    REFUSES(t, data->vocab_offset = 0, "vocabulary");
}

KG_TEST(model, refuses_damage)
{
    REFUSES(t, ((uint8_t *)data)[data->size - 70] ^= 1, "check sum");
    REFUSES(t, ((uint8_t *)data)[sizeof *data] ^= 1, "check sum");
    REFUSES(t, data->crc32++, "check sum");
    REFUSES(t, ((uint32_t *)(void *)data)[data->weights_offset / 4 + 3] = 0x7FC00000;
            kg_test_model_sign(data), "weight 3 ");
    REFUSES(t, ((uint32_t *)(void *)data)[sizeof *data / 4 + 1] = 1000; kg_test_model_sign(data), "token 0 ");
}

KG_TEST(model, any_damage_to_the_header_is_survived)
{
    struct kg_random random;
    struct kg_model_data *good = kg_test_model(t->arena, &shape, 1);
    struct kg_model_data *data = kg_arena_take(t->arena, good->size);
    uint32_t accepted = 0;
    kg_random_seed(&random, 2, 0);
    for (int i = 0; i < 3000; i++) {
        struct kg_model model;
        struct kg_error error;
        uint64_t word = kg_random_next(&random);
        memcpy(data, good, good->size);
        ((uint8_t *)data)[word % sizeof *data] ^= (uint8_t)(1u << (word >> 32 & 7));
        if (kg_model_open(&model, data, good->size, &error) == KG_OK) { /* a bit of the name, say, changes nothing */
            accepted++;
            KG_CHECK(t, model.n_parameters * 4 == good->weights_size);
            KG_CHECK(t, model.tokenizer.text + model.tokenizer.offset[model.n_vocab] <= (char *)data + good->size);
        }
    }
    KG_CHECK(t, accepted > 0 && accepted < 3000);
}
