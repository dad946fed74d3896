/* Opens a language model: see kgpt/lm.h. All checks come first: the matrices are interleaved in place only when nothing
 * can be refused any more. */
#include "lm_model.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

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

/* A shard of a split model has only a part of the tensors. */
static enum kg_status check_split(const struct kg_gguf *gguf, struct kg_error *error)
{
    uint32_t count = 1, number = 0;
    enum kg_status status = kg_gguf_u32_or(gguf, "split.count", &count, error);
    if (status == KG_OK && count > 1) {
        status = kg_gguf_u32_or(gguf, "split.no", &number, error);
    }
    if (status != KG_OK || count <= 1) {
        return status;
    }
    kg_error_set(error, KG_E_INPUT, "the file is shard %u of the %u that a model was split into", number + 1, count);
    kg_error_hint(error, "join them on the host, and give the whole: kgpt import FIRST-SHARD.gguf -o WHOLE.gguf");
    return KG_E_INPUT;
}

enum kg_status kg_lm_identify(const struct kg_gguf *gguf, const struct kg_lm_arch **arch, struct kg_error *error)
{
    struct kg_text name;
    enum kg_status status = check_split(gguf, error);
    if (status == KG_OK && gguf->n_tensors == 0) {
        bool vocabulary = kg_gguf_find(gguf, "tokenizer.ggml.tokens") != NULL;
        kg_error_set(error, KG_E_INPUT, "the file holds %s",
                     vocabulary ? "a vocabulary, but no weights" : "no weights");
        kg_error_hint(error, "give the file of a whole model%s",
                      vocabulary ? ": this one is for tests of tokenizers" : "");
        return KG_E_INPUT;
    }
    if (status == KG_OK) {
        status = kg_gguf_text(gguf, "general.architecture", &name, error);
    }
    if (status != KG_OK) {
        return status;
    }
    *arch = kg_lm_arch_find(name.data, name.n);
    if (!*arch) {
        int shown = name.n < 64 ? (int)name.n : 64;
        kg_error_set(error, KG_E_INPUT, "the architecture \"%.*s\" is not supported", shown, name.data);
        kg_error_hint(error, "supported: %s", kg_lm_arch_list + 2);
        return KG_E_INPUT;
    }
    return KG_OK;
}

/* The host takes the template apart, and refuses one that is no text. */
static enum kg_status check_template(const struct kg_gguf *gguf, struct kg_error *error)
{
    static const char key[] = "tokenizer.chat_template";
    struct kg_text template;
    return kg_gguf_find(gguf, key) ? kg_gguf_text(gguf, key, &template, error) : KG_OK;
}

static enum kg_status read_model(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                                 struct kg_arena *arena, struct kg_error *error)
{
    *model = (struct kg_lm_model){.gguf = gguf};
    enum kg_status status = kg_lm_identify(gguf, &model->arch, error);
    if (status != KG_OK) {
        return status;
    }
    struct kg_lm_extra *extra = kg_arena_take(arena, sizeof *extra);
    uint32_t n_layers = kg_lm_count_layers(gguf);
    struct kg_lm_layer *layers = kg_arena_take(arena, n_layers * sizeof *layers);
    size_t used = arena->used;
    void *scratch = kg_arena_take(arena, kg_lm_interleave_size(gguf));
    if (!extra || !layers || !scratch) {
        return kg_error_set(error, KG_E_MEMORY, "no memory for the layers of the model");
    }
    if ((status = kg_lm_read_hyperparameters(model, extra, error)) != KG_OK) {
        return status;
    }
    if ((status = kg_lm_read_tensors(model, extra, layers, interleaved, error)) != KG_OK ||
        (status = check_template(gguf, error)) != KG_OK) {
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

float kg_lm_attn_scale(const struct kg_lm_model *model)
{
    return model->extra->attn_scale;
}

enum kg_status kg_lm_open(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error)
{
    enum kg_status status = read_model(model, gguf, interleaved, arena, error);
    if (status != KG_OK && !error->hint[0]) { /* most refusals have no better advice */
        kg_error_hint(error, "%s",
                      status == KG_E_MEMORY ? "give the machine more memory"
                                            : "convert the model anew, with a current converter");
    }
    return status;
}
