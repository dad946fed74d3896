/* Adam, with a learning rate that falls linearly to 0: see train/exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"

typedef double kg_f64x2 __attribute__((vector_size(16)));

struct rates {
    double beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    double correction1, correction2;   /* 1 - beta^(step + 1) */
    double rate, eps;
};

static struct rates rates_of(const struct kg_adam *adam, uint64_t step)
{
    return (struct rates){
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

static inline kg_f64x2 roots_of(kg_f64x2 x)
{
    kg_f64x2 roots;
    __asm__("sqrtpd %1, %0" : "=x"(roots) : "x"(x));
    return roots;
}

static void decay(struct kg_exact *trainer, double rate)
{
    double kept = 1.0 - rate * trainer->settings.adam.weight_decay;
    for (uint64_t i = 0; i < trainer->layout.n_parameters; i++) {
        trainer->parameters[i] *= kept;
    }
}

/* Two parameters at once; arrays of an arena are aligned, and rounded up to whole vectors. */
void kg_exact_adam(struct kg_exact *trainer)
{
    const struct rates r = rates_of(&trainer->settings.adam, trainer->step);
    if (trainer->settings.adam.weight_decay != 0) {
        decay(trainer, r.rate);
    }
    const kg_f64x2 *gradients = (const kg_f64x2 *)trainer->gradients;
    kg_f64x2 *m = (kg_f64x2 *)trainer->m, *v = (kg_f64x2 *)trainer->v, *p = (kg_f64x2 *)trainer->parameters;
    for (uint64_t i = 0; i < (trainer->layout.n_parameters + 1) / 2; i++) {
        kg_f64x2 g = gradients[i];
        m[i] = r.beta1 * m[i] + r.rest1 * g;
        v[i] = r.beta2 * v[i] + r.rest2 * (g * g);
        p[i] -= r.rate * (m[i] / r.correction1) / (roots_of(v[i] / r.correction2) + r.eps);
    }
}
