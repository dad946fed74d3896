/* A model's tensors. Each tensor of the file must belong to the architecture and have the right shape and type, and
 * none may be missing. */
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "lm_model.h"

#define NO_LAYER UINT32_MAX

struct reader {
    struct kg_lm_model *model;
    struct kg_lm_extra *extra;
    struct kg_lm_layer *layers;
    bool interleaved;
    struct kg_error *error;
};

static int printed_length(const struct kg_text *name)
{
    return name->n < 96 ? (int)name->n : 96;
}

/* "blk.12.attn_q.weight" -> layer 12 and "attn_q.weight"; another name stays whole, of NO_LAYER. */
static struct kg_text split_name(const struct kg_text *name, uint32_t *layer)
{
    size_t at = 4;
    uint32_t number = 0;
    *layer = NO_LAYER;
    if (name->n < 6 || memcmp(name->data, "blk.", 4) != 0) {
        return *name;
    }
    for (; at < name->n && name->data[at] >= '0' && name->data[at] <= '9' && number < KG_LM_MOST_LAYERS; at++) {
        number = number * 10 + (uint32_t)(name->data[at] - '0');
    }
    bool padded = name->data[4] == '0' && at > 5;
    if (at == 4 || at >= name->n || name->data[at] != '.' || padded) {
        return *name;
    }
    *layer = number;
    return (struct kg_text){name->data + at + 1, name->n - at - 1};
}

static const struct kg_lm_slot *find_slot(const struct kg_lm_arch *arch, const struct kg_text *name, bool in_layer)
{
    for (uint32_t i = 0; i < KG_LM_MOST_SLOTS && kg_lm_slots[i].name; i++) {
        const struct kg_lm_slot *slot = &kg_lm_slots[i];
        if (((arch->needs | arch->may) >> i & 1) && slot->in_layer == in_layer && kg_strlen(slot->name) == name->n &&
            memcmp(slot->name, name->data, name->n) == 0) {
            return slot;
        }
    }
    return NULL;
}

/* The size of the vocabulary is that of the embeddings, and of the list of tokens where the file has one. */
static enum kg_status read_vocabulary(struct reader *r)
{
    const struct kg_gguf_value *tokens = kg_gguf_find(r->model->gguf, "tokenizer.ggml.tokens");
    const struct kg_gguf_tensor *tensor = kg_gguf_tensor(r->model->gguf, "token_embd.weight");
    if (!tensor) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"token_embd.weight\" is missing");
    }
    if (tensor->ne[1] < 1 || tensor->ne[1] > KG_LM_MOST_WIDTH) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"token_embd.weight\" has %lu rows, not 1 to %u",
                            (unsigned long)tensor->ne[1], KG_LM_MOST_WIDTH);
    }
    if (tokens && tokens->kind == KG_GGUF_ARRAY && tokens->n != tensor->ne[1]) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"token_embd.weight\" has %lu rows for %lu tokens",
                            (unsigned long)tensor->ne[1], (unsigned long)tokens->n);
    }
    r->model->n_vocab = (uint32_t)tensor->ne[1];
    r->extra->dims[KG_DIM_VOCAB] = r->model->n_vocab;
    return KG_OK;
}

static enum kg_status check_shape(struct reader *r, const struct kg_gguf_tensor *tensor, const struct kg_lm_slot *slot)
{
    uint64_t columns = r->extra->dims[slot->columns];
    uint64_t rows = slot->rows == KG_DIM_NONE ? 1 : r->extra->dims[slot->rows];
    if (tensor->ne[0] != columns || tensor->ne[1] != rows || tensor->ne[2] != 1 || tensor->ne[3] != 1) {
        return kg_error_set(r->error, KG_E_INPUT,
                            "the tensor \"%.*s\" has %lu x %lu values, where the hyperparameters make it %lu x %lu",
                            printed_length(&tensor->name), tensor->name.data, (unsigned long)tensor->ne[0],
                            (unsigned long)(tensor->ne[1] * tensor->ne[2] * tensor->ne[3]), (unsigned long)columns,
                            (unsigned long)rows);
    }
    return KG_OK;
}

static enum kg_status read_vector(struct reader *r, const struct kg_gguf_tensor *tensor, const float **place)
{
    if (tensor->type != KG_TYPE_F32) {
        const struct kg_type_info *info = kg_type_info(tensor->type);
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"%.*s\" has the type %s, not F32",
                            printed_length(&tensor->name), tensor->name.data, info ? info->name : "?");
    }
    *place = (const float *)(const void *)tensor->data;
    return KG_OK;
}

static enum kg_status read_matrix(struct reader *r, const struct kg_gguf_tensor *tensor, struct kg_matrix *matrix)
{
    const struct kg_type_info *info = kg_type_info(tensor->type);
    if (!info) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"%.*s\" has the type %u, which is not supported",
                            printed_length(&tensor->name), tensor->name.data, tensor->type);
    }
    if (tensor->ne[0] % info->block) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"%.*s\" has rows of %lu values, not of whole %s blocks",
                            printed_length(&tensor->name), tensor->name.data, (unsigned long)tensor->ne[0], info->name);
    }
    *matrix = (struct kg_matrix){tensor->data, tensor->type, (uint32_t)tensor->ne[1], (uint32_t)tensor->ne[0],
                                 r->interleaved && info->fields[0].bytes};
    r->extra->takes[info->act] = true;
    r->extra->longest = matrix->columns > r->extra->longest ? matrix->columns : r->extra->longest;
    return KG_OK;
}

static enum kg_status read_tensor(struct reader *r, const struct kg_gguf_tensor *tensor)
{
    uint32_t layer;
    struct kg_text name = split_name(&tensor->name, &layer);
    bool in_layer = layer != NO_LAYER;
    const struct kg_lm_slot *slot = find_slot(r->model->arch, &name, in_layer);
    if (!slot || (in_layer && layer >= r->model->n_layer)) {
        return kg_error_set(r->error, KG_E_INPUT, "the tensor \"%.*s\" is none of a %s model with %u layers",
                            printed_length(&tensor->name), tensor->name.data, r->model->arch->name, r->model->n_layer);
    }
    enum kg_status status = check_shape(r, tensor, slot);
    if (status != KG_OK) {
        return status;
    }
    if (slot->rows == KG_DIM_NONE) {
        const float **vectors = in_layer ? r->layers[layer].vectors : r->extra->vectors;
        return read_vector(r, tensor, &vectors[slot->place]);
    }
    struct kg_matrix *matrices = in_layer ? r->layers[layer].matrices : r->extra->matrices;
    return read_matrix(r, tensor, &matrices[slot->place]);
}

static enum kg_status check_missing(struct reader *r, const struct kg_lm_layer *layer, uint32_t number)
{
    for (uint32_t i = 0; i < KG_LM_MOST_SLOTS && kg_lm_slots[i].name; i++) {
        const struct kg_lm_slot *slot = &kg_lm_slots[i];
        if (!(r->model->arch->needs >> i & 1) || slot->in_layer != (layer != NULL)) {
            continue;
        }
        const struct kg_matrix *matrices = layer ? layer->matrices : r->extra->matrices;
        const float *const *vectors = layer ? layer->vectors : r->extra->vectors;
        if (slot->rows == KG_DIM_NONE ? vectors[slot->place] != NULL : matrices[slot->place].data != NULL) {
            continue;
        }
        return layer ? kg_error_set(r->error, KG_E_INPUT, "the tensor \"blk.%u.%s\" is missing", number, slot->name)
                     : kg_error_set(r->error, KG_E_INPUT, "the tensor \"%s\" is missing", slot->name);
    }
    return KG_OK;
}

/* LongRoPE has factors for short contexts and for long ones. */
static enum kg_status check_rope_factors(struct reader *r)
{
    static const char *const names[] = {"rope_factors_short.weight", "rope_factors_long.weight"};
    static const uint8_t places[] = {KG_V_ROPE_SHORT, KG_V_ROPE_LONG};
    bool wanted = r->extra->rope.scaling == KG_SCALING_LONGROPE;
    for (uint32_t i = 0; i < 2; i++) {
        bool other = r->extra->vectors[places[1 - i]] != NULL;
        if (!r->extra->vectors[places[i]] && (wanted || other)) {
            return kg_error_set(r->error, KG_E_INPUT, "the tensor \"%s\" is missing", names[i]);
        }
    }
    return KG_OK;
}

/* Rows first .. first + rows - 1 as a matrix of their own: groups of rows stay whole where `first` is a multiple of a
 * group. */
static struct kg_matrix part_of(const struct kg_matrix *whole, uint32_t first, uint32_t rows)
{
    struct kg_matrix part = *whole;
    part.data += first * kg_row_size(whole->type, whole->columns);
    part.rows = rows;
    return part;
}

/* Groups of rows are interleaved: a part of a fused matrix must be whole groups. */
static enum kg_status check_fused(struct reader *r, const struct kg_lm_layer *layer, uint32_t number)
{
    uint32_t heads = kg_lm_q_dim(r->model) | kg_lm_kv_dim(r->model);
    bool qkv = layer->matrices[KG_M_QKV].data && heads % KG_GROUP;
    if (qkv || (layer->matrices[KG_M_GATE_UP].data && r->model->n_ff % KG_GROUP)) {
        return kg_error_set(r->error, KG_E_INPUT,
                            "the tensor \"blk.%u.%s.weight\" has parts that are not multiples of %d rows", number,
                            qkv ? "attn_qkv" : "ffn_up", KG_GROUP);
    }
    return KG_OK;
}

/* Splits fused matrices, so that the forward pass always has queries, keys, values, gate and up apart. */
static void split_fused(struct reader *r, struct kg_lm_layer *layer)
{
    const struct kg_matrix *qkv = &layer->matrices[KG_M_QKV], *gate_up = &layer->matrices[KG_M_GATE_UP];
    uint32_t q = kg_lm_q_dim(r->model), kv = kg_lm_kv_dim(r->model), ff = r->model->n_ff;
    if (qkv->data) {
        layer->matrices[KG_M_Q] = part_of(qkv, 0, q);
        layer->matrices[KG_M_K] = part_of(qkv, q, kv);
        layer->matrices[KG_M_V] = part_of(qkv, q + kv, kv);
    }
    if (layer->vectors[KG_V_QKV_BIAS]) {
        layer->vectors[KG_V_Q_BIAS] = layer->vectors[KG_V_QKV_BIAS];
        layer->vectors[KG_V_K_BIAS] = layer->vectors[KG_V_QKV_BIAS] + q;
        layer->vectors[KG_V_V_BIAS] = layer->vectors[KG_V_QKV_BIAS] + q + kv;
    }
    if (gate_up->data) {
        layer->matrices[KG_M_GATE] = part_of(gate_up, 0, ff);
        layer->matrices[KG_M_UP] = part_of(gate_up, ff, ff);
    }
}

static bool has_window(const struct kg_lm_extra *extra, uint32_t layer)
{
    return extra->window && (extra->pattern == 0 || layer % extra->pattern < extra->pattern - 1);
}

enum kg_status kg_lm_read_tensors(struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_lm_layer *layers,
                                  bool interleaved, struct kg_error *error)
{
    struct reader r = {model, extra, layers, interleaved, error};
    enum kg_status status = read_vocabulary(&r);
    for (uint32_t i = 0; i < model->gguf->n_tensors && status == KG_OK; i++) {
        status = read_tensor(&r, &model->gguf->tensors[i]);
    }
    if (status == KG_OK) {
        status = check_missing(&r, NULL, 0);
    }
    if (status == KG_OK) {
        status = check_rope_factors(&r);
    }
    for (uint32_t i = 0; i < model->n_layer && status == KG_OK; i++) {
        status = check_missing(&r, &layers[i], i);
        if (status == KG_OK) {
            status = check_fused(&r, &layers[i], i);
        }
        split_fused(&r, &layers[i]);
        layers[i].window = has_window(extra, i) ? extra->window : 0;
    }
    if (!extra->matrices[KG_M_OUTPUT].data) {
        extra->matrices[KG_M_OUTPUT] = extra->matrices[KG_M_TOKENS];
    }
    return status;
}

uint64_t kg_lm_interleave_size(const struct kg_gguf *gguf)
{
    uint64_t longest = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct kg_gguf_tensor *tensor = &gguf->tensors[i];
        uint64_t rows = tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
        uint64_t row = rows > 1 ? tensor->size / rows : 0;
        longest = row > longest ? row : longest;
    }
    return KG_GROUP * longest;
}

void kg_lm_interleave_rows(const struct kg_gguf_tensor *tensor, uint32_t first, uint32_t n, void *scratch)
{
    const struct kg_type_info *info = kg_type_info(tensor->type);
    uint32_t columns = (uint32_t)tensor->ne[0];
    if (info->fields[0].bytes && tensor->n_dims > 1) {
        const uint8_t *data = (const uint8_t *)tensor->data + first * kg_row_size(tensor->type, columns);
        struct kg_matrix rows = {data, tensor->type, n, columns, false};
        kg_matrix_interleave(&rows, scratch);
    }
}

static void set_interleaved(struct kg_matrix *matrix)
{
    const struct kg_type_info *info = matrix->data ? kg_type_info(matrix->type) : NULL;
    matrix->interleaved = info && info->fields[0].bytes;
}

void kg_lm_interleave(const struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_lm_layer *layers,
                      void *scratch)
{
    const struct kg_gguf *gguf = model->gguf;
    uint64_t done = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct kg_gguf_tensor *tensor = &gguf->tensors[i];
        kg_lm_interleave_rows(tensor, 0, (uint32_t)tensor->ne[1], scratch);
        done += tensor->size;
        if (gguf->interleaving) {
            gguf->interleaving(gguf->context, done);
        }
    }
    for (uint32_t i = 0; i < KG_N_MODEL_MATRICES; i++) {
        set_interleaved(&extra->matrices[i]);
    }
    for (uint32_t layer = 0; layer < model->n_layer; layer++) {
        for (uint32_t i = 0; i < KG_N_LAYER_MATRICES; i++) {
            set_interleaved(&layers[layer].matrices[i]);
        }
    }
}
