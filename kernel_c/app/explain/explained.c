/* How a text was read, as text: see explained.h. */
#include "explained.h"

#include "app/events/print.h"

#include "kgpt/math.h"

#define WIDTH 78u /* of the maps beside each other */
#define NEXT 8u
#define BAR 30.0f

enum kg_status kg_explained_check(uint32_t n, struct kg_error *error)
{
    if (n <= KG_EXPLAINED_MOST) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "the text has %u tokens, and explain shows %u", n, KG_EXPLAINED_MOST);
    kg_error_hint(error, "give a shorter text; kgpt explain on a host shows longer ones");
    return KG_E_INPUT;
}

void kg_explained_label(struct kgpt *k, uint32_t token, char label[KG_EXPLAINED_LABEL + 1])
{
    size_t n;
    const char *piece = kg_engine_piece(k, token, &n);
    for (size_t i = 0; i < KG_EXPLAINED_LABEL; i++) {
        char byte = i < n ? piece[i] : ' ';
        label[i] = byte < ' ' || byte > '~' ? '.' : byte;
    }
    label[KG_EXPLAINED_LABEL] = '\0';
}

void kg_explained_tokens(const struct kg_explained *x)
{
    char label[KG_EXPLAINED_LABEL + 1];
    kg_print("tokens\n");
    for (uint32_t i = 0; i < x->n; i++) {
        kg_explained_label(x->k, x->tokens[i], label);
        kg_print("  %s %u\n", label, x->tokens[i]);
    }
    kg_print("if the model ended after a layer, behind the last token\n");
}

void kg_explained_layer(const struct kg_explained *x, uint32_t layer, float length,
                        const struct kg_candidate *likeliest, uint32_t n, float sum)
{
    char label[KG_EXPLAINED_LABEL + 1];
    kg_print("  layer %-3u length %8.2f  ", layer, (double)length);
    for (uint32_t i = 0; i < n && i < KG_EXPLAINED_LENS; i++) {
        kg_explained_label(x->k, likeliest[i].id, label);
        kg_print(" %s%3.0f %%", label, (double)(100 * likeliest[i].weight / sum));
    }
    kg_print("\n");
}

static const char *shade_of(float weight)
{
    return weight >= 0.875f ? "█" : weight >= 0.625f ? "▓" : weight >= 0.375f ? "▒" : weight >= 0.125f ? "░" : "·";
}

/* Maps of as many heads as a line holds, beside each other. */
void kg_explained_maps(const struct kg_explained *x, uint32_t layer, const float *maps)
{
    uint32_t beside = (WIDTH - KG_EXPLAINED_LABEL - 2) / (x->n + 2);
    char label[KG_EXPLAINED_LABEL + 1];
    beside = beside ? beside : 1;
    kg_print("attention of layer %u: row looks at column (█ all, ▓ 3/4, ▒ 1/2, ░ 1/4, · less)\n", layer);
    for (uint32_t first = 0; first < x->n_head; first += beside) {
        uint32_t end = first + beside < x->n_head ? first + beside : x->n_head;
        kg_print("  %*s", KG_EXPLAINED_LABEL, "head");
        for (uint32_t head = first; head < end; head++) {
            kg_print(" %-*u ", (int)x->n, head);
        }
        kg_print("\n");
        for (uint32_t row = 0; row < x->n; row++) {
            kg_explained_label(x->k, x->tokens[row], label);
            kg_print("  %s ", label);
            for (uint32_t head = first; head < end; head++) {
                const float *weights = maps + ((size_t)head * x->stride + row) * x->stride;
                for (uint32_t i = 0; i < x->n; i++) {
                    kg_print("%s", i <= row ? shade_of(weights[i]) : " ");
                }
                kg_print("  ");
            }
            kg_print("\n");
        }
    }
}

void kg_explained_next(const struct kg_explained *x, struct kg_sampler *sampler, const float *logits,
                       const uint32_t *last, uint32_t n_last)
{
    char label[KG_EXPLAINED_LABEL + 1];
    float sum;
    uint32_t n = kg_candidates_choose(sampler, &x->k->config.sampling, logits, last, n_last, &sum);
    kg_print("next token: drawn from %'u of %'u\n", n, sampler->n_vocab);
    for (uint32_t i = 0; i < n && i < NEXT; i++) {
        float p = sampler->candidates[i].weight / sum;
        kg_explained_label(x->k, sampler->candidates[i].id, label);
        kg_print("  %s %5.1f %% ", label, (double)(100 * p));
        for (float at = 0.5f; at < p * BAR; at++) {
            kg_print("█");
        }
        kg_print("\n");
    }
}
