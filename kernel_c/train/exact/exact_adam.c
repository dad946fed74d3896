/* Adam, with a learning rate that falls linearly to 0: see train/exact/exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"

static struct kg_exact_rates exact_rates_of(const struct kg_adam *adam, uint64_t step)
{
    return (struct kg_exact_rates){
        .beta1 = adam->beta1,
        .beta2 = adam->beta2,
        .rest1 = 1.0 - adam->beta1,
        .rest2 = 1.0 - adam->beta2,
        .correction1 = 1.0 - kg_pow(adam->beta1, (double)(step + 1)),
        .correction2 = 1.0 - kg_pow(adam->beta2, (double)(step + 1)),
        .rate = step < adam->steps ? adam->lr * (1.0 - (double)step / adam->steps) : 0,
        .eps = adam->eps,
    };
}

static void decay_weights(struct kg_exact *trainer, double rate)
{
    double kept = 1.0 - rate * trainer->settings.adam.weight_decay;
    for (uint64_t i = 0; i < trainer->layout.n_parameters; i++) {
        trainer->parameters[i] *= kept;
    }
}

void kg_exact_adam(struct kg_exact *trainer)
{
    const struct kg_exact_rates rates = exact_rates_of(&trainer->settings.adam, trainer->step);
    const struct kg_exact_moments moments = {
        .gradients = trainer->gradients,
        .m = trainer->m,
        .v = trainer->v,
        .parameters = trainer->parameters,
        .n = trainer->layout.n_parameters,
    };
    if (trainer->settings.adam.weight_decay != 0) {
        decay_weights(trainer, rates.rate);
    }
    trainer->functions->adam(&moments, &rates);
}
