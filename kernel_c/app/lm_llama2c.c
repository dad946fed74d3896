/* rng=llama2c: the defaults of llama2.c's run.c, and what its texts can be asked with. See lm.h. */
#include "lm.h"

#include "app/cmdline/keys.h"

enum kg_status kg_lm_presume(struct kgpt *k, struct kg_error *error)
{
    struct kg_config *config = &k->config;
    if (config->lm.rng != KG_RNG_LLAMA2C) {
        return KG_OK;
    }
    kg_config_defaults(config);
    kg_engine_defaults(config);
    config->max_tokens = 256;
    config->sampling.temperature = 1.0f;
    config->sampling.top_p = 0.9f;
    config->sampling.top_k = 0;
    config->sampling.min_p = 0;
    enum kg_status status = kg_cmdline_parse(config, kgpt_build_cmdline, error);
    return status == KG_OK ? kg_cmdline_parse(config, k->info->cmdline, error) : status;
}

/* The name of an option that run.c does not have and that is on; NULL if none is. */
static const char *find_foreign_option(const struct kg_sampling *sampling)
{
    return sampling->top_k                    ? "top_k"
           : sampling->min_p > 0              ? "min_p"
           : sampling->typical_p < 1          ? "typical_p"
           : sampling->repeat_penalty != 1    ? "repeat_penalty"
           : sampling->frequency_penalty != 0 ? "frequency_penalty"
           : sampling->presence_penalty != 0  ? "presence_penalty"
           : sampling->n_biases               ? "logit_bias"
                                              : NULL;
}

enum kg_status kg_lm_check_rng(const struct kgpt *k, struct kg_error *error)
{
    const struct kg_config *config = &k->config;
    const char *foreign = find_foreign_option(&config->sampling);
    if (config->lm.rng != KG_RNG_LLAMA2C) {
        return KG_OK;
    }
    if (foreign) {
        kg_error_set(error, KG_E_INPUT, "rng=llama2c is a sampler without %s", foreign);
        kg_error_hint(error, "it has temperature and top_p; leave %s out", foreign);
        return KG_E_INPUT;
    }
    if (k->lm->grammar.active) {
        kg_error_set(error, KG_E_INPUT, "rng=llama2c is a sampler without grammars");
        kg_error_hint(error, "leave out one of the two");
        return KG_E_INPUT;
    }
    if (!config->seed_random && config->seed == 0) {
        kg_error_set(error, KG_E_INPUT, "seed=0 is not possible with rng=llama2c: its generator would only give 0");
        kg_error_hint(error, "give a seed from 1, or seed=random");
        return KG_E_INPUT;
    }
    if (!kg_vocab_has_llama2c(&k->lm->loaded.vocab)) {
        kg_error_set(error, KG_E_INPUT, "rng=llama2c needs a SentencePiece tokenizer with BOS, and the model has %s",
                     k->lm->loaded.vocab.model);
        kg_error_hint(error, "leave rng=llama2c out");
        return KG_E_INPUT;
    }
    return KG_OK;
}
