ENGINE += \
    engine/forward.c \
    engine/generate.c \
    engine/generate_test.c \
    engine/loops.c \
    engine/model.c \
    engine/model_test.c \
    engine/session.c \
    engine/session_test.c \
    engine/test_model.c
SMALL += \
    engine/forward.c \
    engine/generate.c \
    engine/model.c \
    engine/session.c \
    engine/test_model.c
