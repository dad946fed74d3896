ENGINE_TRAIN += \
    train/exact/exact.c \
    train/exact/exact_adam.c \
    train/exact/exact_attention.c \
    train/exact/exact_backward.c \
    train/exact/exact_c.c \
    train/exact/exact_forward.c \
    train/exact/exact_parts.c \
    train/exact/exact_sample.c \
    train/exact/exact_state.c \
    train/exact/exact_test.c
