/* The architectures: what a block does and which tensors it has, as data. infer/lm_model.c reads a file by this
 * description, infer/forward.c computes by it. A new architecture of this family is one more row of arch.def. */
#ifndef KGPT_INFER_ARCH_H
#define KGPT_INFER_ARCH_H

#include <stdbool.h>
#include <stdint.h>

enum kg_lm_norm {
    KG_NORM_BARE,  /* x / rms(x) */
    KG_NORM_RMS,   /* x / rms(x) * weight */
    KG_NORM_LAYER, /* (x - mean) / deviation * weight + bias */
};

enum kg_lm_rope_kind {
    KG_ROPE_NONE,   /* learned positions instead */
    KG_ROPE_NORMAL, /* values 2i and 2i + 1 are turned together */
    KG_ROPE_NEOX,   /* values i and i + n / 2 are */
};

enum kg_lm_activation {
    KG_ACTIVATION_SILU,
    KG_ACTIVATION_GELU,     /* by tanh: the published models of these architectures */
    KG_ACTIVATION_GELU_ERF, /* exact, by erf: PyTorch's nn.GELU() */
    KG_ACTIVATION_RELU,
};

/* Places for a layer's matrices, and for the model's own. Parts of fused ones become the others once they are read. */
enum kg_lm_matrix {
    KG_M_Q,
    KG_M_K,
    KG_M_V,
    KG_M_O,
    KG_M_GATE,
    KG_M_UP,
    KG_M_DOWN,
    KG_M_QKV,
    KG_M_GATE_UP,
    KG_N_LAYER_MATRICES,
    KG_M_TOKENS = 0,
    KG_M_POSITIONS,
    KG_M_OUTPUT,
    KG_N_MODEL_MATRICES,
};

/* Places for vectors of f32. */
enum kg_lm_vector {
    KG_V_ATTN_NORM,
    KG_V_ATTN_NORM_BIAS,
    KG_V_Q_BIAS,
    KG_V_K_BIAS,
    KG_V_V_BIAS,
    KG_V_QKV_BIAS,
    KG_V_O_BIAS,
    KG_V_Q_NORM,
    KG_V_K_NORM,
    KG_V_POST_ATTN_NORM,
    KG_V_FFN_NORM,
    KG_V_FFN_NORM_BIAS,
    KG_V_GATE_BIAS,
    KG_V_UP_BIAS,
    KG_V_DOWN_BIAS,
    KG_V_POST_FFN_NORM,
    KG_N_LAYER_VECTORS,
    KG_V_OUTPUT_NORM = 0,
    KG_V_OUTPUT_NORM_BIAS,
    KG_V_OUTPUT_BIAS,
    KG_V_ROPE_FREQS,
    KG_V_ROPE_LONG,
    KG_V_ROPE_SHORT,
    KG_N_MODEL_VECTORS,
};

/* Sizes that tensors have. */
enum kg_lm_dim {
    KG_DIM_NONE, /* of a vector's rows */
    KG_DIM_VOCAB,
    KG_DIM_CTX,
    KG_DIM_EMBD,
    KG_DIM_Q,
    KG_DIM_KV,
    KG_DIM_QKV,
    KG_DIM_HEAD,
    KG_DIM_FF,
    KG_DIM_FF_TWICE,
    KG_DIM_ROPE_PAIRS,
    KG_N_DIMS,
};

struct kg_lm_slot {
    const char *name; /* in the file, of a layer without "blk.N." */
    bool in_layer;
    uint8_t place;         /* enum kg_lm_matrix or, where rows is KG_DIM_NONE, enum kg_lm_vector */
    uint8_t rows, columns; /* enum kg_lm_dim */
};

#define KG_LM_MOST_SLOTS 64
extern const struct kg_lm_slot kg_lm_slots[KG_LM_MOST_SLOTS]; /* ended by a name of NULL */

struct kg_lm_arch {
    const char *name;
    enum kg_lm_norm norm;
    enum kg_lm_rope_kind rope;
    enum kg_lm_activation activation;
    bool embedding_scale; /* by sqrt(n_embd) */
    bool embedding_norm;  /* microgpt */
    bool parallel;        /* the feed-forward part reads what attention reads */
    bool window;          /* attention.sliding_window is obeyed */
    uint32_t pattern;     /* of so many layers the last one has no window; 0: all have it */
    float local_base;     /* of RoPE in layers with a window; 0: the same as elsewhere */
    uint64_t needs, may;  /* tensors: bit i is kg_lm_slots[i] */
};

/* NULL if there is none of this name (n bytes). */
const struct kg_lm_arch *kg_lm_arch_find(const char *name, uint64_t n);

/* ", llama, qwen2…": all names, for a refusal; it skips the first two bytes. */
extern const char kg_lm_arch_list[];

#endif
