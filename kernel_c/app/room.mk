ENGINE += \
    app/bench.c \
    app/cpus.c \
    app/generation.c \
    app/main.c \
    app/request.c \
    app/selftest.c
ENGINE_NO_LM += app/micro.c
ENGINE_LM += \
    app/lm.c \
    app/lm_bench.c \
    app/lm_models.c
ENGINE_LARGE += app/module.c
MODEL += app/model_data.c
MODEL_TRAIN += app/corpus_data.c
SMALL += app/%
