/* See test_gguf.h. Two passes write the same: the tensors' places are known before their data are written. */
#include "test_gguf.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/quant.h"
#include "kgpt/str.h"

#define FILE_SIZE (96u << 10)
#define ALIGN 32u
#define N_FIELDS 10u
#define LAYERS 2u
enum { EMBD = 64, Q = 64, KV = 32, FF = 96, HEAD = 16 };

struct shape {
    const char *name;
    uint32_t rows, columns; /* no rows: a vector of f32 */
};

static const struct shape of_model[] = {{"token_embd.weight", KG_TEST_VOCAB, EMBD}, {"output_norm.weight", 0, EMBD}};
static const struct shape of_layer[] = {
    {"attn_norm.weight", 0, EMBD},     {"attn_q.weight", Q, EMBD},      {"attn_k.weight", KV, EMBD},
    {"attn_v.weight", KV, EMBD},       {"attn_output.weight", EMBD, Q}, {"ffn_norm.weight", 0, EMBD},
    {"ffn_gate.weight", FF, EMBD},     {"ffn_up.weight", FF, EMBD},     {"ffn_down.weight", EMBD, FF},
    {"attn_q_norm.weight", 0, HEAD},   {"attn_k_norm.weight", 0, HEAD}, {"post_attention_norm.weight", 0, EMBD},
    {"post_ffw_norm.weight", 0, EMBD}, /* the last four are gemma3's */
};
#define N_OF_MODEL (sizeof of_model / sizeof *of_model)

struct writer {
    uint8_t *base, *at;
    uint32_t random;
    uint64_t offset; /* of the next tensor's data */
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    memcpy(w->at, bytes, n);
    w->at += n;
}

static void put_u32(struct writer *w, uint32_t value)
{
    put(w, &value, sizeof value);
}

static void put_u64(struct writer *w, uint64_t value)
{
    put(w, &value, sizeof value);
}

static void put_text(struct writer *w, const char *text)
{
    put_u64(w, kg_strlen(text));
    put(w, text, kg_strlen(text));
}

static void put_field(struct writer *w, const char *arch, const char *name, uint32_t kind, const void *value)
{
    char key[96];
    kg_format(key, sizeof key, "%s.%s", arch, name);
    put_text(w, key);
    put_u32(w, kind);
    put(w, value, 4);
}

static void put_fields(struct writer *w, const char *arch)
{
    static const struct {
        const char *name;
        uint32_t value;
    } sizes[] = {
        {"context_length", KG_TEST_CTX}, {"embedding_length", EMBD},         {"block_count", LAYERS},
        {"feed_forward_length", FF},     {"attention.head_count", Q / HEAD}, {"attention.head_count_kv", KV / HEAD},
        {"rope.dimension_count", HEAD},  {"attention.sliding_window", 5},
    };
    const float eps = 1e-5f;
    put_text(w, "general.architecture");
    put_u32(w, KG_GGUF_STRING);
    put_text(w, arch);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_field(w, arch, sizes[i].name, KG_GGUF_U32, &sizes[i].value);
    }
    put_field(w, arch, "attention.layer_norm_rms_epsilon", KG_GGUF_F32, &eps);
}

static uint64_t size_of(const struct shape *s)
{
    return s->rows ? s->rows * kg_row_size(KG_TYPE_Q8_0, s->columns) : s->columns * sizeof(float);
}

static void put_info(struct writer *w, const struct shape *s, const char *name)
{
    put_text(w, name);
    put_u32(w, s->rows ? 2 : 1);
    put_u64(w, s->columns);
    if (s->rows) {
        put_u64(w, s->rows);
    }
    put_u32(w, s->rows ? KG_TYPE_Q8_0 : KG_TYPE_F32);
    put_u64(w, w->offset);
    w->offset += (size_of(s) + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t draw(struct writer *w)
{
    w->random = w->random * 1664525u + 1013904223u;
    return w->random >> 24;
}

static void put_data(struct writer *w, const struct shape *s)
{
    const uint8_t *end = w->at + (size_of(s) + ALIGN - 1) / ALIGN * ALIGN;
    for (uint32_t i = 0; !s->rows && i < s->columns; i++) {
        float value = 0.75f + (float)draw(w) / 512;
        put(w, &value, sizeof value);
    }
    for (uint32_t i = 0; i < s->rows * s->columns / 32; i++) {
        uint16_t scale = 0x1800; /* 2^-9: weights within a quarter */
        put(w, &scale, sizeof scale);
        for (uint32_t j = 0; j < 32; j++) {
            uint8_t value = (uint8_t)draw(w);
            put(w, &value, 1);
        }
    }
    w->at += end - w->at;
}

/* All tensors in turn, as `infos` or as data. */
static void put_tensors(struct writer *w, uint32_t per_layer, bool infos)
{
    for (uint32_t i = 0; i < N_OF_MODEL + LAYERS * per_layer; i++) {
        uint32_t in_layer = i < N_OF_MODEL ? 0 : (i - (uint32_t)N_OF_MODEL) % per_layer;
        const struct shape *s = i < N_OF_MODEL ? &of_model[i] : &of_layer[in_layer];
        char name[96];
        if (i < N_OF_MODEL) {
            kg_format(name, sizeof name, "%s", s->name);
        } else {
            kg_format(name, sizeof name, "blk.%u.%s", (i - (uint32_t)N_OF_MODEL) / per_layer, s->name);
        }
        if (infos) {
            put_info(w, s, name);
        } else {
            put_data(w, s);
        }
    }
}

bool kg_test_gguf(struct kg_arena *arena, const char *arch, struct kg_gguf *gguf)
{
    struct kg_error error;
    struct writer w = {.random = 1};
    uint32_t per_layer = sizeof of_layer / sizeof *of_layer - (kg_streq(arch, "gemma3") ? 0 : 4);
    w.base = w.at = kg_arena_take(arena, FILE_SIZE);
    if (!w.base) {
        return false;
    }
    put(&w, "GGUF", 4);
    put_u32(&w, 3);
    put_u64(&w, N_OF_MODEL + LAYERS * per_layer);
    put_u64(&w, N_FIELDS);
    put_fields(&w, arch);
    put_tensors(&w, per_layer, true);
    w.at += (ALIGN - (size_t)(w.at - w.base) % ALIGN) % ALIGN;
    put_tensors(&w, per_layer, false);
    return kg_gguf_open(gguf, w.base, (uint64_t)(w.at - w.base), arena, &error) == KG_OK;
}
