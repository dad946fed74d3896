ENGINE += \
    tokenizer/char.c \
    tokenizer/char_test.c
ENGINE_LM += \
    tokenizer/bpe.c \
    tokenizer/cases.c \
    tokenizer/llama2c.c \
    tokenizer/merge.c \
    tokenizer/nfc.c \
    tokenizer/pretokenize.c \
    tokenizer/pretokenize_rules.c \
    tokenizer/spm.c \
    tokenizer/unicode.c \
    tokenizer/vocab.c \
    tokenizer/vocab_char.c \
    tokenizer/vocab_encode.c \
    tokenizer/vocab_hash.c \
    tokenizer/vocab_read.c \
    tokenizer/vocab_same.c \
    tokenizer/vocab_special.c \
    tokenizer/vocab_test.c
SMALL += tokenizer/char.c
GENERATED += tokenizer/unicode.c
