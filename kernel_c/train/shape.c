/* Sizes and numbers of a training: see kgpt/train_shape.h. */
#include "kgpt/train_shape.h"

#include <stdbool.h>

#define KG_SIZE_MAX (1u << 24) /* of any one size: products of two then fit 64 bits with room to spare */

struct kg_adam kg_adam_defaults(void)
{
    return (struct kg_adam){
#define KG_ADAM(member, kind, values, where, otherwise, unit, help, words) .member = otherwise,
#include "kgpt/options.def"
    };
}

struct kg_layout kg_layout_of(const struct kg_shape *shape)
{
    uint64_t square = (uint64_t)shape->n_embd * shape->n_embd;
    uint64_t wide = (uint64_t)shape->n_embd * shape->n_ff;
    uint64_t vocab = (uint64_t)shape->n_vocab * shape->n_embd;
    struct kg_layout layout = {
        .wte = 0,
        .wpe = vocab,
        .lm_head = vocab + (uint64_t)shape->n_ctx * shape->n_embd,
        .layer_size = 4 * square + 2 * wide,
        .wq = 0,
        .wk = square,
        .wv = 2 * square,
        .wo = 3 * square,
        .fc1 = 4 * square,
        .fc2 = 4 * square + wide,
    };
    layout.layers = layout.lm_head + vocab;
    layout.n_parameters = layout.layers + shape->n_layer * layout.layer_size;
    return layout;
}

static enum kg_status check_shape_size(const char *name, uint32_t size, struct kg_error *error)
{
    if (size >= 1 && size <= KG_SIZE_MAX) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "%s is %u", name, size);
    kg_error_hint(error, "%s is at least 1 and at most %u", name, KG_SIZE_MAX);
    return KG_E_INPUT;
}

enum kg_status kg_shape_check(const struct kg_shape *shape, struct kg_error *error)
{
    const struct {
        const char *name;
        uint32_t size;
    } sizes[] = {
        {"the number of tokens", shape->n_vocab},
        {"block_size", shape->n_ctx},
        {"n_embd", shape->n_embd},
        {"n_layer", shape->n_layer},
        {"n_head", shape->n_head},
        {"n_ff", shape->n_ff},
    };
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        enum kg_status status = check_shape_size(sizes[i].name, sizes[i].size, error);
        if (status != KG_OK) {
            return status;
        }
    }
    if (shape->n_embd % shape->n_head != 0) {
        kg_error_set(error, KG_E_INPUT, "n_embd, %u, is not divisible by n_head, %u", shape->n_embd, shape->n_head);
        kg_error_hint(error, "each head takes an equal share of n_embd");
        return KG_E_INPUT;
    }
    struct kg_layout layout = kg_layout_of(shape);
    if (layout.layer_size > UINT32_MAX || layout.n_parameters > UINT32_MAX) {
        kg_error_set(error, KG_E_INPUT, "a model of these sizes has more than %u parameters", UINT32_MAX);
        kg_error_hint(error, "choose a smaller n_embd or n_layer");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static bool is_fraction(double x)
{
    return x >= 0 && x < 1;
}

static enum kg_status refuse_adam(const char *name, const char *range, struct kg_error *error)
{
    kg_error_set(error, KG_E_INPUT, "%s is out of range", name);
    kg_error_hint(error, "%s is %s", name, range);
    return KG_E_INPUT;
}

enum kg_status kg_adam_check(const struct kg_adam *adam, struct kg_error *error)
{
    if (adam->steps == 0) {
        return refuse_adam("steps", "at least 1", error);
    }
    if (!(adam->lr >= 0 && adam->lr <= 1e6)) {
        return refuse_adam("lr", "a number from 0 to 1000000", error);
    }
    if (!is_fraction(adam->beta1)) {
        return refuse_adam("beta1", "at least 0 and below 1", error);
    }
    if (!is_fraction(adam->beta2)) {
        return refuse_adam("beta2", "at least 0 and below 1", error);
    }
    if (!(adam->eps > 0 && adam->eps <= 1)) {
        return refuse_adam("eps", "above 0 and at most 1", error);
    }
    if (!(adam->weight_decay >= 0 && adam->weight_decay <= 1e6)) {
        return refuse_adam("weight_decay", "a number from 0 to 1000000", error);
    }
    return KG_OK;
}
