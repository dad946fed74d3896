/* See test_gguf.h. One pass writes the descriptions of the tensors with their offsets, a second one their data. */
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

static void add_bytes(struct writer *w, const void *bytes, size_t n)
{
    memcpy(w->at, bytes, n);
    w->at += n;
}

static void add_u32(struct writer *w, uint32_t value)
{
    add_bytes(w, &value, sizeof value);
}

static void add_u64(struct writer *w, uint64_t value)
{
    add_bytes(w, &value, sizeof value);
}

static void add_text(struct writer *w, const char *text)
{
    add_u64(w, kg_strlen(text));
    add_bytes(w, text, kg_strlen(text));
}

static void add_field(struct writer *w, const char *arch, const char *name, uint32_t kind, const void *value)
{
    char key[96];
    kg_format(key, sizeof key, "%s.%s", arch, name);
    add_text(w, key);
    add_u32(w, kind);
    add_bytes(w, value, 4);
}

static void add_fields(struct writer *w, const char *arch)
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
    add_text(w, "general.architecture");
    add_u32(w, KG_GGUF_STRING);
    add_text(w, arch);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        add_field(w, arch, sizes[i].name, KG_GGUF_U32, &sizes[i].value);
    }
    add_field(w, arch, "attention.layer_norm_rms_epsilon", KG_GGUF_F32, &eps);
}

static uint64_t size_of(const struct shape *s)
{
    return s->rows ? s->rows * kg_row_size(KG_TYPE_Q8_0, s->columns) : s->columns * sizeof(float);
}

static void add_tensor_info(struct writer *w, const struct shape *s, const char *name)
{
    add_text(w, name);
    add_u32(w, s->rows ? 2 : 1);
    add_u64(w, s->columns);
    if (s->rows) {
        add_u64(w, s->rows);
    }
    add_u32(w, s->rows ? KG_TYPE_Q8_0 : KG_TYPE_F32);
    add_u64(w, w->offset);
    w->offset += (size_of(s) + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t draw_byte(struct writer *w)
{
    w->random = w->random * 1664525u + 1013904223u;
    return w->random >> 24;
}

static void add_tensor_data(struct writer *w, const struct shape *s)
{
    const uint8_t *end = w->at + (size_of(s) + ALIGN - 1) / ALIGN * ALIGN;
    for (uint32_t i = 0; !s->rows && i < s->columns; i++) {
        float value = 0.75f + (float)draw_byte(w) / 512;
        add_bytes(w, &value, sizeof value);
    }
    for (uint32_t i = 0; i < s->rows * s->columns / 32; i++) {
        uint16_t scale = 0x1800; /* 2^-9: weights within a quarter */
        add_bytes(w, &scale, sizeof scale);
        for (uint32_t j = 0; j < 32; j++) {
            uint8_t value = (uint8_t)draw_byte(w);
            add_bytes(w, &value, 1);
        }
    }
    w->at += end - w->at;
}

/* All tensors in turn, as `infos` or as data. */
static void add_tensors(struct writer *w, uint32_t per_layer, bool infos)
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
            add_tensor_info(w, s, name);
        } else {
            add_tensor_data(w, s);
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
    add_bytes(&w, "GGUF", 4);
    add_u32(&w, 3);
    add_u64(&w, N_OF_MODEL + LAYERS * per_layer);
    add_u64(&w, N_FIELDS);
    add_fields(&w, arch);
    add_tensors(&w, per_layer, true);
    w.at += (ALIGN - (size_t)(w.at - w.base) % ALIGN) % ALIGN;
    add_tensors(&w, per_layer, false);
    return kg_gguf_open(gguf, w.base, (uint64_t)(w.at - w.base), arena, &error) == KG_OK;
}
