/* See rope.h. The kinds of scaling: linear divides positions; llama3 and LongRoPE bring a factor for each
 * frequency; YaRN (Peng et al., 2023) divides the frequencies that turn less than beta_slow times in the original
 * context, leaves those that turn more than beta_fast times, and goes from one to the other between. */
#include "rope.h"

#include "kgpt/dmath.h"

#define TWO_PI 6.283185307179586476925286766559

/* Bounds an angle that hyperparameters can make as large as they like: infinities and NaN become a large number. */
static double floor_of(double x)
{
    const double most = 1e6;
    x = x > -most ? x < most ? x : most : -most;
    int64_t whole = (int64_t)x;
    return (double)(whole - ((double)whole > x));
}

/* The pair that turns `turns` times in the original context; a fraction. */
static double pair_of(const struct kg_lm_rope_settings *s, double turns)
{
    return s->n * kg_log(s->n_ctx_original / (turns * TWO_PI)) / (2 * kg_log(s->base));
}

/* How much of pair i's frequency is to be divided: 0 to 1. */
static double yarn_share(const struct kg_lm_rope_settings *s, uint32_t i)
{
    double low = floor_of(pair_of(s, s->beta_fast)), high = -floor_of(-pair_of(s, s->beta_slow));
    low = low > 0 ? low : 0;
    high = high < s->n - 1 ? high : s->n - 1;
    double width = high - low > 0.001 ? high - low : 0.001;
    double share = (i - low) / width;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void fill_frequencies(const struct kg_lm_rope_settings *s, const float *divisors, double base, bool scaled,
                             double *frequencies)
{
    for (uint32_t i = 0; i < s->n / 2; i++) {
        double frequency = kg_pow(base, -2.0 * i / s->n);
        frequency = divisors && scaled ? frequency / divisors[i] : frequency;
        double divided = frequency / s->factor;
        if (scaled && s->scaling == KG_SCALING_LINEAR) {
            frequency = divided;
        } else if (scaled && s->scaling == KG_SCALING_YARN) {
            double share = yarn_share(s, i);
            frequency = divided * share + frequency * (1 - share);
        }
        frequencies[i] = frequency;
    }
}

/* The tensor with a divisor for each frequency; NULL if there is none. LongRoPE's count wherever they are: files
 * of Phi-3 have them without a rope.scaling.type. */
static const float *divisors_of(const struct kg_lm_model *model, uint32_t n_ctx)
{
    const struct kg_lm_extra *extra = model->extra;
    if (extra->vectors[KG_V_ROPE_FREQS]) {
        return extra->vectors[KG_V_ROPE_FREQS];
    }
    return extra->vectors[n_ctx > extra->rope.n_ctx_original ? KG_V_ROPE_LONG : KG_V_ROPE_SHORT];
}

void kg_lm_rope_carve(struct kg_lm_rope *rope, const struct kg_lm_model *model, uint32_t n_batch,
                      struct kg_arena *arena)
{
    rope->pairs = model->extra->rope.n / 2;
    rope->neox = model->arch->rope == KG_ROPE_NEOX;
    for (uint32_t which = 0; which < KG_LM_N_TURNS; which++) {
        rope->frequencies[which] = kg_arena_array(arena, rope->pairs, sizeof *rope->frequencies[which]);
        rope->turns[which] = kg_arena_array(arena, (uint64_t)n_batch * 2 * rope->pairs, sizeof *rope->turns[which]);
    }
}

void kg_lm_rope_fill(struct kg_lm_rope *rope, const struct kg_lm_model *model, uint32_t n_ctx)
{
    const struct kg_lm_rope_settings *s = &model->extra->rope;
    for (uint32_t which = 0; which < KG_LM_N_TURNS; which++) {
        bool local = which && s->local_base > 0;
        float base = local ? s->local_base : s->base;
        fill_frequencies(s, divisors_of(model, n_ctx), (double)base, !local, rope->frequencies[which]);
        rope->magnitude[which] = s->attn_factor;
        if (!local && s->scaling == KG_SCALING_YARN && s->factor > 1) {
            rope->magnitude[which] *= 1.0 + 0.1 * kg_log(s->factor);
        }
    }
}

void kg_lm_rope_turn(const struct kg_lm_rope *rope, uint32_t which, int64_t position, double magnitude, float *turns)
{
    for (uint32_t i = 0; i < rope->pairs; i++) {
        double angle = (double)position * rope->frequencies[which][i];
        turns[i] = (float)(kg_cos(angle) * magnitude);
        turns[rope->pairs + i] = (float)(kg_sin(angle) * magnitude);
    }
}

void kg_lm_rope_apply(const struct kg_lm_rope *rope, const float *turns, float *head)
{
    const float *cosines = turns, *sines = turns + rope->pairs;
    uint32_t step = rope->neox ? 1 : 2, apart = rope->neox ? rope->pairs : 1;
    for (uint32_t i = 0; i < rope->pairs; i++) {
        float *a = head + i * step, *b = a + apart, x = *a, y = *b;
        *a = x * cosines[i] - y * sines[i];
        *b = x * sines[i] + y * cosines[i];
    }
}
