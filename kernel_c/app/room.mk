ENGINE += \
    app/main.c \
    app/verdict.c
ENGINE_NO_LM += app/micro.c
ENGINE_LM += \
    app/lm.c \
    app/lm_bench.c \
    app/lm_draft.c \
    app/lm_grammar.c \
    app/lm_llama2c.c \
    app/lm_models.c \
    app/lm_perplexity.c \
    app/lm_prefill.c \
    app/lm_slots.c \
    app/lm_source.c
MODEL += app/model_data.c
MODEL_TRAIN += app/corpus_data.c
SMALL += app/%
