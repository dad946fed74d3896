ENGINE_NO_TRAIN += app/training/training_absent.c
ENGINE_TRAIN += \
    app/training/dense_parallel.c \
    app/training/fast_parallel.c \
    app/training/text_sample.c \
    app/training/text_training.c \
    app/training/trainer.c \
    app/training/training.c \
    app/training/training_curve.c \
    app/training/training_documents.c \
    app/training/training_log.c \
    app/training/training_loss.c \
    app/training/training_report.c \
    app/training/training_weights.c
