/* What is refused before a training is carved. */
#include "dense.h"

#define KG_SIZE_MOST (1u << 20) /* of any one size */

static enum kg_status refuse_dense(struct kg_error *error, const char *name, const char *range)
{
    kg_error_set(error, KG_E_INPUT, "%s is out of range", name);
    kg_error_hint(error, "%s is %s", name, range);
    return KG_E_INPUT;
}

static enum kg_status check_dense_sizes(const struct kg_dense_shape *s, struct kg_error *error)
{
    const struct {
        const char *name;
        uint32_t size;
    } sizes[] = {{"the number of tokens", s->n_vocab},
                 {"block_size", s->n_ctx},
                 {"n_embd", s->n_embd},
                 {"n_layer", s->n_layer},
                 {"n_head", s->n_head}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].size < 1 || sizes[i].size > KG_SIZE_MOST) {
            return refuse_dense(error, sizes[i].name, "at least 1 and at most 1048576");
        }
    }
    if (s->n_embd % s->n_head != 0) {
        kg_error_set(error, KG_E_INPUT, "n_embd, %u, is not divisible by n_head, %u", s->n_embd, s->n_head);
        kg_error_hint(error, "each head takes an equal share of n_embd");
        return KG_E_INPUT;
    }
    if (s->kind == KG_DENSE_LLAMA && s->n_embd / s->n_head % 2 != 0) {
        kg_error_set(error, KG_E_INPUT, "a head of a llama block has %u elements, an odd number",
                     s->n_embd / s->n_head);
        kg_error_hint(error, "RoPE turns pairs: choose n_embd and n_head with an even quotient");
        return KG_E_INPUT;
    }
    uint64_t widest = (uint64_t)s->n_embd * s->n_embd * 12 * s->n_layer + (uint64_t)s->n_embd * s->n_vocab * 2;
    if (widest > UINT32_MAX || kg_dense_parameters(s) > UINT32_MAX) {
        kg_error_set(error, KG_E_INPUT, "a model of these sizes has more than %u parameters", UINT32_MAX);
        kg_error_hint(error, "choose a smaller n_embd or n_layer");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static bool is_share(double x)
{
    return x >= 0 && x < 1;
}

static enum kg_status check_numbers(const struct kg_dense_settings *s, struct kg_error *error)
{
    const struct {
        bool good;
        const char *name, *range;
    } checks[] = {
        {s->steps >= 1, "steps", "at least 1"},
        {s->warmup < s->steps || s->warmup == 0, "warmup", "less than steps"},
        {s->lr >= 0 && s->lr <= 1000, "lr", "a number from 0 to 1000"},
        {is_share(s->beta1), "beta1", "at least 0 and below 1"},
        {is_share(s->beta2), "beta2", "at least 0 and below 1"},
        {s->eps > 0 && s->eps <= 1, "eps", "above 0 and at most 1"},
        {s->weight_decay >= 0 && s->weight_decay <= 1000, "weight_decay", "a number from 0 to 1000"},
        {s->grad_clip >= 0 && s->grad_clip <= 1000, "grad_clip", "a number from 0 to 1000; 0: no limit"},
        {is_share(s->dropout), "dropout", "at least 0 and below 1"},
    };
    for (uint32_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (!checks[i].good) {
            return refuse_dense(error, checks[i].name, checks[i].range);
        }
    }
    return KG_OK;
}

static enum kg_status check_batch(const struct kg_dense_settings *s, struct kg_error *error)
{
    const struct kg_dense_shape *shape = &s->shape;
    if (s->batch == 0 || s->chunks > s->batch) {
        kg_error_set(error, KG_E_INPUT, "a batch of %u windows cannot be cut into %u chunks", s->batch, s->chunks);
        kg_error_hint(error, "a batch has at least one window, and a chunk too");
        return KG_E_INPUT;
    }
    /* Dropout numbers the elements of a tensor with 32 bits. */
    uint64_t rows = (uint64_t)s->batch * shape->n_ctx, squares = rows * shape->n_ctx;
    if (rows * shape->n_embd > UINT32_MAX || squares > UINT32_MAX || squares * shape->n_head > UINT32_MAX) {
        kg_error_set(error, KG_E_INPUT, "a batch of %u windows of %u tokens is too large", s->batch, shape->n_ctx);
        kg_error_hint(error, "choose a smaller batch or block_size");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static enum kg_status check_text(const struct kg_dense_text *text, uint32_t n_ctx, struct kg_error *error)
{
    uint32_t behind = text->n - text->n_train;
    if (text->n_train <= n_ctx) {
        kg_error_set(error, KG_E_INPUT, "%u characters to train on are too few for a context of %u", text->n_train,
                     n_ctx);
        kg_error_hint(error, "give a longer text, or a smaller block_size");
        return KG_E_INPUT;
    }
    if (behind > 0 && behind <= n_ctx) {
        kg_error_set(error, KG_E_INPUT, "%u characters of validation are too few for a context of %u", behind, n_ctx);
        kg_error_hint(error, "give a longer text, a smaller block_size, or val_fraction=0");
        return KG_E_INPUT;
    }
    return KG_OK;
}

enum kg_status kg_dense_check(const struct kg_dense_settings *settings, const struct kg_dense_text *text,
                              struct kg_error *error)
{
    enum kg_status status = check_dense_sizes(&settings->shape, error);
    if (status == KG_OK) {
        status = check_numbers(settings, error);
    }
    if (status == KG_OK) {
        status = check_batch(settings, error);
    }
    return status == KG_OK ? check_text(text, settings->shape.n_ctx, error) : status;
}
