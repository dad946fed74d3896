/* Drafts of the conversation (kgpt/speculation.h): where they come from, and the draft model. See lm.h. */
#include "lm.h"

#include "app/events/print.h"

/* What `speculate` asks for. Texts that are only scored have no drafts. */
static enum kg_speculate kind_of_drafts(const struct kgpt *k)
{
    uint32_t asked = k->config.lm.speculate;
    if (k->config.mode == KG_MODE_PERPLEXITY || k->config.mode == KG_MODE_BENCH) {
        return KG_SPECULATE_OFF;
    }
    if (asked == KG_SPECULATE_AUTO) {
        return k->lm->draft_source.place ? KG_SPECULATE_DRAFT : KG_SPECULATE_OFF;
    }
    return (enum kg_speculate)asked;
}

static enum kg_status open_draft(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    enum kg_status status = kg_lm_open_source(k, &lm->draft_source, &lm->draft, error);
    if (status == KG_OK) {
        status = kg_vocab_check_same(&lm->loaded.vocab, &lm->draft.vocab, error);
    }
    if (status != KG_OK) {
        return status;
    }
    const struct kg_lm_model *model = &lm->draft.model;
    k->needs.weights += model->weight_bytes;
    kg_print("kgpt: drafts come from %s: %s, %'lu parameters, %s\n", model->name, lm->draft.arch,
             (unsigned long)model->n_parameters, kg_amount(model->weight_bytes).text);
    lm->speculation.model = model;
    return KG_OK;
}

enum kg_status kg_lm_choose_speculation(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    lm->speculation =
        (struct kg_speculation_options){.kind = kind_of_drafts(k), .tokens = k->config.lm.speculate_tokens};
    if (lm->speculation.kind != KG_SPECULATE_DRAFT) {
        return KG_OK;
    }
    if (!lm->draft_source.place) {
        kg_error_set(error, KG_E_INPUT, "speculate=draft needs a draft model, and none came");
        kg_error_hint(error, "bring one as a boot module: kgpt run MODEL --draft FILE");
        return KG_E_INPUT;
    }
    return open_draft(k, error);
}
