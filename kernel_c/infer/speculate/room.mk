ENGINE_LM += \
    infer/speculate/model.c \
    infer/speculate/ngram.c \
    infer/speculate/pace.c \
    infer/speculate/speculate_test.c \
    infer/speculate/speculation.c
