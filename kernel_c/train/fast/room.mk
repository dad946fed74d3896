ENGINE_TRAIN += \
    train/fast/fast.c \
    train/fast/fast_batch.c \
    train/fast/fast_c.c \
    train/fast/fast_memory.c \
    train/fast/fast_state.c \
    train/fast/fast_test.c
