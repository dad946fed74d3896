/* Draws documents from the trained weights, with the training's random numbers: see kgpt/train_exact.h. */
#include "exact.h"

/* Draws the token after position p. */
static uint32_t draw_token(struct kg_exact *trainer, uint32_t p, double inverse)
{
    const uint32_t n_vocab = trainer->shape.n_vocab;
    double *logits = trainer->logits + (uint64_t)p * n_vocab;
    for (uint32_t i = 0; i < n_vocab; i++) {
        logits[i] *= inverse;
    }
    inverse = 1.0 / kg_exact_softmax(logits, n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++) {
        logits[i] *= inverse;
    }
    return kg_mt19937_choose(&trainer->random, logits, n_vocab, trainer->cumulative);
}

uint32_t kg_exact_sample(struct kg_exact *trainer, double temperature, uint32_t *tokens)
{
    const uint32_t bos = trainer->shape.n_vocab - 1;
    trainer->tokens[0] = bos;
    for (uint32_t p = 0; p < trainer->shape.n_ctx; p++) {
        kg_exact_forward(trainer, p, p + 1);
        uint32_t token = draw_token(trainer, p, 1.0 / temperature);
        if (token == bos) {
            return p;
        }
        tokens[p] = trainer->tokens[p + 1] = token;
    }
    return trainer->shape.n_ctx;
}
