ENGINE += \
    infer/reply/reply.c \
    infer/reply/sampler.c \
    infer/reply/sampler_test.c
ENGINE_LM += \
    infer/reply/llama2c_sampler.c \
    infer/reply/lm_sampler.c \
    infer/reply/lm_sampler_test.c \
    infer/reply/stream.c \
    infer/reply/stream_test.c
SMALL += infer/reply/reply.c
