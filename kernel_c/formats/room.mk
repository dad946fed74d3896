ENGINE_LM += \
    formats/cursor.c \
    formats/gguf.c \
    formats/gguf_index.c \
    formats/gguf_peek.c \
    formats/gguf_read.c \
    formats/gguf_tensors.c \
    formats/gguf_test.c \
    formats/gguf_values.c
