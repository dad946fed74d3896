/* The table of architectures: see arch.h. Names are those of GGUF. */
#include "arch.h"

#include <stddef.h>

#include "kgpt/mem.h"
#include "kgpt/str.h"

/* Bit numbers are the order of kg_lm_slots. */
enum slot {
    TOKEN_EMBD,
    POSITION_EMBD,
    OUTPUT,
    OUTPUT_BIAS,
    OUTPUT_NORM,
    OUTPUT_NORM_BIAS,
    ROPE_FREQS,
    ROPE_LONG,
    ROPE_SHORT,
    ATTN_NORM,
    ATTN_NORM_BIAS,
    ATTN_Q,
    ATTN_Q_BIAS,
    ATTN_K,
    ATTN_K_BIAS,
    ATTN_V,
    ATTN_V_BIAS,
    ATTN_QKV,
    ATTN_QKV_BIAS,
    ATTN_OUTPUT,
    ATTN_OUTPUT_BIAS,
    ATTN_Q_NORM,
    ATTN_K_NORM,
    POST_ATTENTION_NORM,
    FFN_NORM,
    FFN_NORM_BIAS,
    FFN_GATE,
    FFN_GATE_BIAS,
    FFN_UP,
    FFN_UP_BIAS,
    FFN_GATE_UP,
    FFN_DOWN,
    FFN_DOWN_BIAS,
    POST_FFW_NORM,
};

#define MODEL_MATRIX(name, place, rows, columns) {name ".weight", false, KG_M_##place, KG_DIM_##rows, KG_DIM_##columns}
#define MODEL_VECTOR(name, place, n) {name, false, KG_V_##place, KG_DIM_NONE, KG_DIM_##n}
#define MATRIX(name, place, rows, columns) {name ".weight", true, KG_M_##place, KG_DIM_##rows, KG_DIM_##columns}
#define VECTOR(name, place, n) {name, true, KG_V_##place, KG_DIM_NONE, KG_DIM_##n}

const struct kg_lm_slot kg_lm_slots[KG_LM_MOST_SLOTS] = {
    [TOKEN_EMBD] = MODEL_MATRIX("token_embd", TOKENS, VOCAB, EMBD),
    [POSITION_EMBD] = MODEL_MATRIX("position_embd", POSITIONS, CTX, EMBD),
    [OUTPUT] = MODEL_MATRIX("output", OUTPUT, VOCAB, EMBD),
    [OUTPUT_BIAS] = MODEL_VECTOR("output.bias", OUTPUT_BIAS, VOCAB),
    [OUTPUT_NORM] = MODEL_VECTOR("output_norm.weight", OUTPUT_NORM, EMBD),
    [OUTPUT_NORM_BIAS] = MODEL_VECTOR("output_norm.bias", OUTPUT_NORM_BIAS, EMBD),
    [ROPE_FREQS] = MODEL_VECTOR("rope_freqs.weight", ROPE_FREQS, ROPE_PAIRS),
    [ROPE_LONG] = MODEL_VECTOR("rope_factors_long.weight", ROPE_LONG, ROPE_PAIRS),
    [ROPE_SHORT] = MODEL_VECTOR("rope_factors_short.weight", ROPE_SHORT, ROPE_PAIRS),
    [ATTN_NORM] = VECTOR("attn_norm.weight", ATTN_NORM, EMBD),
    [ATTN_NORM_BIAS] = VECTOR("attn_norm.bias", ATTN_NORM_BIAS, EMBD),
    [ATTN_Q] = MATRIX("attn_q", Q, Q, EMBD),
    [ATTN_Q_BIAS] = VECTOR("attn_q.bias", Q_BIAS, Q),
    [ATTN_K] = MATRIX("attn_k", K, KV, EMBD),
    [ATTN_K_BIAS] = VECTOR("attn_k.bias", K_BIAS, KV),
    [ATTN_V] = MATRIX("attn_v", V, KV, EMBD),
    [ATTN_V_BIAS] = VECTOR("attn_v.bias", V_BIAS, KV),
    [ATTN_QKV] = MATRIX("attn_qkv", QKV, QKV, EMBD),
    [ATTN_QKV_BIAS] = VECTOR("attn_qkv.bias", QKV_BIAS, QKV),
    [ATTN_OUTPUT] = MATRIX("attn_output", O, EMBD, Q),
    [ATTN_OUTPUT_BIAS] = VECTOR("attn_output.bias", O_BIAS, EMBD),
    [ATTN_Q_NORM] = VECTOR("attn_q_norm.weight", Q_NORM, HEAD),
    [ATTN_K_NORM] = VECTOR("attn_k_norm.weight", K_NORM, HEAD),
    [POST_ATTENTION_NORM] = VECTOR("post_attention_norm.weight", POST_ATTN_NORM, EMBD),
    [FFN_NORM] = VECTOR("ffn_norm.weight", FFN_NORM, EMBD),
    [FFN_NORM_BIAS] = VECTOR("ffn_norm.bias", FFN_NORM_BIAS, EMBD),
    [FFN_GATE] = MATRIX("ffn_gate", GATE, FF, EMBD),
    [FFN_GATE_BIAS] = VECTOR("ffn_gate.bias", GATE_BIAS, FF),
    [FFN_UP] = MATRIX("ffn_up", UP, FF, EMBD),
    [FFN_UP_BIAS] = VECTOR("ffn_up.bias", UP_BIAS, FF),
    [FFN_GATE_UP] = MATRIX("ffn_up", GATE_UP, FF_TWICE, EMBD), /* the gate's rows first */
    [FFN_DOWN] = MATRIX("ffn_down", DOWN, EMBD, FF),
    [FFN_DOWN_BIAS] = VECTOR("ffn_down.bias", DOWN_BIAS, EMBD),
    [POST_FFW_NORM] = VECTOR("post_ffw_norm.weight", POST_FFN_NORM, EMBD),
};

#define BIT(slot) (1ull << (slot))
#define SEPARATE (BIT(ATTN_Q) | BIT(ATTN_K) | BIT(ATTN_V))
#define SEPARATE_BIASES (BIT(ATTN_Q_BIAS) | BIT(ATTN_K_BIAS) | BIT(ATTN_V_BIAS))
#define FUSED (BIT(ATTN_QKV) | BIT(ATTN_QKV_BIAS))
#define FFN_BIASES (BIT(FFN_UP_BIAS) | BIT(FFN_DOWN_BIAS))
#define ALWAYS (BIT(TOKEN_EMBD) | BIT(ATTN_OUTPUT) | BIT(FFN_DOWN))
#define RMS_NORMS (BIT(OUTPUT_NORM) | BIT(ATTN_NORM) | BIT(FFN_NORM))
#define QK_NORMS (BIT(ATTN_Q_NORM) | BIT(ATTN_K_NORM))
#define GATED (BIT(FFN_GATE) | BIT(FFN_UP))
#define ROPE_FACTORS (BIT(ROPE_LONG) | BIT(ROPE_SHORT))

static const struct kg_lm_arch archs[] = {
    {
        .name = "llama",
        .norm = KG_NORM_RMS,
        .rope = KG_ROPE_NORMAL,
        .activation = KG_ACTIVATION_SILU,
        .window = true,
        .needs = ALWAYS | RMS_NORMS | SEPARATE | GATED,
        .may = BIT(OUTPUT) | BIT(ROPE_FREQS) | SEPARATE_BIASES | BIT(ATTN_OUTPUT_BIAS) | BIT(FFN_GATE_BIAS) |
               FFN_BIASES | ROPE_FACTORS,
    },
    {
        .name = "qwen2",
        .norm = KG_NORM_RMS,
        .rope = KG_ROPE_NEOX,
        .activation = KG_ACTIVATION_SILU,
        .needs = ALWAYS | RMS_NORMS | SEPARATE | SEPARATE_BIASES | GATED,
        .may = BIT(OUTPUT) | BIT(OUTPUT_BIAS),
    },
    {
        .name = "qwen3",
        .norm = KG_NORM_RMS,
        .rope = KG_ROPE_NEOX,
        .activation = KG_ACTIVATION_SILU,
        .needs = ALWAYS | RMS_NORMS | SEPARATE | QK_NORMS | GATED,
        .may = BIT(OUTPUT),
    },
    {
        .name = "gemma3",
        .norm = KG_NORM_RMS,
        .rope = KG_ROPE_NEOX,
        .activation = KG_ACTIVATION_GELU,
        .embedding_scale = true,
        .window = true,
        .pattern = 6,
        .local_base = 10000.0f,
        .needs = ALWAYS | RMS_NORMS | SEPARATE | QK_NORMS | GATED | BIT(POST_ATTENTION_NORM) | BIT(POST_FFW_NORM),
        .may = BIT(OUTPUT),
    },
    {
        .name = "phi2",
        .norm = KG_NORM_LAYER,
        .rope = KG_ROPE_NEOX,
        .activation = KG_ACTIVATION_GELU,
        .parallel = true,
        .needs = ALWAYS | BIT(OUTPUT) | BIT(OUTPUT_BIAS) | BIT(OUTPUT_NORM) | BIT(OUTPUT_NORM_BIAS) | BIT(ATTN_NORM) |
                 BIT(ATTN_NORM_BIAS) | FUSED | BIT(ATTN_OUTPUT_BIAS) | BIT(FFN_UP) | FFN_BIASES,
    },
    {
        .name = "phi3",
        .norm = KG_NORM_RMS,
        .rope = KG_ROPE_NEOX,
        .activation = KG_ACTIVATION_SILU,
        .window = true,
        .needs = ALWAYS | RMS_NORMS | BIT(ATTN_QKV) | BIT(FFN_GATE_UP),
        .may = BIT(OUTPUT) | ROPE_FACTORS,
    },
    {
        .name = "gpt2",
        .norm = KG_NORM_LAYER,
        .rope = KG_ROPE_NONE,
        .activation = KG_ACTIVATION_GELU,
        .needs = ALWAYS | BIT(POSITION_EMBD) | RMS_NORMS | BIT(OUTPUT_NORM_BIAS) | BIT(ATTN_NORM_BIAS) |
                 BIT(FFN_NORM_BIAS) | FUSED | BIT(ATTN_OUTPUT_BIAS) | BIT(FFN_UP) | FFN_BIASES,
        .may = BIT(OUTPUT),
    },
    {
        .name = "microgpt",
        .norm = KG_NORM_BARE,
        .rope = KG_ROPE_NONE,
        .activation = KG_ACTIVATION_RELU,
        .embedding_norm = true,
        .needs = ALWAYS | BIT(POSITION_EMBD) | BIT(OUTPUT) | SEPARATE | BIT(FFN_UP),
    },
};

#define N_ARCHS (sizeof archs / sizeof *archs)

const char *const kg_lm_arch_names[] = {"llama", "qwen2", "qwen3", "gemma3", "phi2", "phi3", "gpt2", "microgpt", NULL};
_Static_assert(sizeof kg_lm_arch_names / sizeof *kg_lm_arch_names == N_ARCHS + 1, "a name for each architecture");

static const char *const keys[] = {
    "attention.causal",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.scale",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_used_count",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "tensor_data_layout",
    "use_parallel_residual",
    "vocab_size",
};

static bool same(const char *name, const char *text, uint64_t n)
{
    return kg_strlen(name) == n && memcmp(name, text, n) == 0;
}

const struct kg_lm_arch *kg_lm_arch_find(const char *name, uint64_t n)
{
    for (uint32_t i = 0; i < N_ARCHS; i++) {
        if (same(archs[i].name, name, n)) {
            return &archs[i];
        }
    }
    return NULL;
}

bool kg_lm_key_known(const char *key, uint64_t n)
{
    for (uint32_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (same(keys[i], key, n)) {
            return true;
        }
    }
    return false;
}
