ENGINE += train/shape.c
ENGINE_TRAIN += \
    train/blob.c \
    train/corpus.c \
    train/corpus_test.c
SMALL += train/shape.c
