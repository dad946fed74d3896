/* Opens a language model: see kgpt/lm.h. The order is check first, change afterwards: the matrices are interleaved in
 * place only when nothing can be refused any more. */
#include "lm_model.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

/* Layers that the file says it has, as far as one can size memory by that. */
static uint32_t count_layers(const struct kg_gguf *gguf)
{
    static const char prefix[] = "blk.";
    uint32_t most = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct kg_text *name = &gguf->tensors[i].name;
        if (name->n <= sizeof prefix - 1 || memcmp(name->data, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        uint32_t layer = 0;
        for (size_t at = sizeof prefix - 1; at < name->n && name->data[at] >= '0' && name->data[at] <= '9'; at++) {
            layer = layer * 10 + (uint32_t)(name->data[at] - '0');
            if (layer >= KG_LM_MOST_LAYERS) {
                return KG_LM_MOST_LAYERS;
            }
        }
        most = layer + 1 > most ? layer + 1 : most;
    }
    return most;
}

uint64_t kg_lm_model_size(const struct kg_gguf *gguf)
{
    return kg_arena_cost(sizeof(struct kg_lm_extra)) + kg_arena_cost(count_layers(gguf) * sizeof(struct kg_lm_layer)) +
           kg_arena_cost(kg_lm_interleave_size(gguf));
}

/* general.name as far as it fits, on one line. */
static void read_name(struct kg_lm_model *model)
{
    struct kg_text name = {model->arch->name, 0};
    struct kg_error ignored;
    while (model->arch->name[name.n]) {
        name.n++;
    }
    if (kg_gguf_find(model->gguf, "general.name")) {
        kg_gguf_text(model->gguf, "general.name", &name, &ignored);
    }
    size_t n = 0, length;
    while (n < name.n && (length = kg_utf8_length(name.data + n, name.n - n)) && n + length < sizeof model->name) {
        for (size_t end = n + length; n < end; n++) {
            unsigned char byte = (unsigned char)name.data[n];
            model->name[n] = byte < ' ' || byte == 127 ? '?' : (char)byte;
        }
    }
    model->name[n] = '\0';
}

static void count_weights(struct kg_lm_model *model)
{
    for (uint32_t i = 0; i < model->gguf->n_tensors; i++) {
        const struct kg_gguf_tensor *tensor = &model->gguf->tensors[i];
        model->n_parameters += tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
        model->weight_bytes += tensor->size;
    }
}

static enum kg_status find_arch(struct kg_lm_model *model, struct kg_error *error)
{
    struct kg_text name;
    enum kg_status status = kg_gguf_text(model->gguf, "general.architecture", &name, error);
    if (status != KG_OK) {
        return status;
    }
    model->arch = kg_lm_arch_find(name.data, name.n);
    if (!model->arch) {
        int shown = name.n < 64 ? (int)name.n : 64;
        status = kg_error_set(error, KG_E_INPUT, "the architecture \"%.*s\" is not supported", shown, name.data);
        kg_error_hint(error, "supported: llama, qwen2, qwen3, gemma3, phi2, phi3, gpt2, microgpt");
    }
    return status;
}

static enum kg_status open_model(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                                 struct kg_arena *arena, struct kg_error *error)
{
    *model = (struct kg_lm_model){.gguf = gguf};
    enum kg_status status = find_arch(model, error);
    if (status != KG_OK) {
        return status;
    }
    struct kg_lm_extra *extra = kg_arena_take(arena, sizeof *extra);
    uint32_t n_layers = count_layers(gguf);
    struct kg_lm_layer *layers = kg_arena_take(arena, n_layers * sizeof *layers);
    size_t used = arena->used;
    void *scratch = kg_arena_take(arena, kg_lm_interleave_size(gguf));
    if (!extra || !layers || !scratch) {
        return kg_error_set(error, KG_E_MEMORY, "no memory for the layers of the model");
    }
    if ((status = kg_lm_read_hyperparameters(model, extra, error)) != KG_OK) {
        return status;
    }
    if (model->n_layer > n_layers) {
        return kg_error_set(error, KG_E_INPUT, "%s.block_count is %u, but the tensors are those of %u layers",
                            model->arch->name, model->n_layer, n_layers);
    }
    if ((status = kg_lm_read_tensors(model, extra, layers, interleaved, error)) != KG_OK) {
        return status;
    }
    if (!interleaved) {
        kg_lm_interleave(model, extra, layers, scratch);
    }
    kg_arena_rewind(arena, used);
    model->embeddings = extra->matrices[KG_M_TOKENS];
    model->output = extra->matrices[KG_M_OUTPUT];
    model->layers = layers;
    model->extra = extra;
    read_name(model);
    count_weights(model);
    return KG_OK;
}

enum kg_status kg_lm_open(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error)
{
    enum kg_status status = open_model(model, gguf, interleaved, arena, error);
    if (status != KG_OK && !error->hint[0]) { /* most refusals have no better advice */
        kg_error_hint(error, "%s",
                      status == KG_E_MEMORY ? "give the machine more memory"
                                            : "convert the model anew, with a current converter");
    }
    return status;
}
