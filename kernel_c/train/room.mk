ENGINE += train/shape.c
ENGINE_TRAIN += \
    train/blob.c \
    train/corpus.c \
    train/corpus_test.c \
    train/exact.c \
    train/exact_adam.c \
    train/exact_attention.c \
    train/exact_avx2.c \
    train/exact_backward.c \
    train/exact_c.c \
    train/exact_forward.c \
    train/exact_parts.c \
    train/exact_sample.c \
    train/exact_state.c \
    train/exact_test.c \
    train/fast.c \
    train/fast_avx2.c \
    train/fast_avx512.c \
    train/fast_batch.c \
    train/fast_c.c \
    train/fast_memory.c \
    train/fast_state.c \
    train/fast_test.c
SMALL += train/shape.c
FMA += train/fast_avx2.c
