ENGINE_NO_TRAIN += app/training/training_absent.c
ENGINE_TRAIN += \
    app/training/text_training.c \
    app/training/training.c \
    app/training/training_documents.c \
    app/training/training_loss.c \
    app/training/training_weights.c
