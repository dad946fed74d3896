/* All inputs of a reply besides the model and the preceding tokens. The application fills a request from its
 * settings (app/run/request.c). The reply loop does not depend on the command line, so a server can fill one from each
 * call. */
#ifndef KGPT_REQUEST_H
#define KGPT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/sampling.h"

#define KG_MAX_STOPS 4 /* the limit in options.def */
#define KG_MAX_LOGPROBS 20

/* Policy for a full context. */
enum kg_overflow {
    KG_OVERFLOW_ERROR, /* the reply ends */
    KG_OVERFLOW_SHIFT, /* discard the older half of the conversation */
};

struct kg_grammar;

struct kg_request {
    struct kg_sampling sampling;
    const char *stops[KG_MAX_STOPS]; /* the reply ends before one of these texts, which the caller keeps until then */
    uint32_t n_stops;
    const struct kg_grammar *grammar; /* the reply stays within it (kgpt/matcher.h); NULL: none. The caller keeps it. */
    uint32_t max_tokens;              /* 0: until the context is full */
    uint64_t seed;
    enum kg_rng rng;   /* KG_RNG_LLAMA2C: a text that continues a prompt is run.c's too (kg_conversation_continue) */
    uint32_t index;    /* number of the sample or reply: each has its own stream of random numbers */
    uint32_t logprobs; /* likeliest tokens to tell with each token, at most KG_MAX_LOGPROBS */
    enum kg_overflow on_overflow;
    bool plain;  /* ask for a reply without thoughts, where the chat template can do that */
    bool logits; /* tell the sinks the logits of each token */
    bool layers; /* … and the residual stream after each step of the forward pass */
};

#endif
