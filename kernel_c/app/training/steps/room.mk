ENGINE_TRAIN += \
    app/training/steps/dense_parallel.c \
    app/training/steps/fast_parallel.c \
    app/training/steps/text_sample.c \
    app/training/steps/trainer.c
