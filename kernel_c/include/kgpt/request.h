/* What decides a reply, besides the model and the tokens before it. The application makes one from its settings
 * (app/request.c), a server will make one from each call: the reply loop knows no command line. */
#ifndef KGPT_REQUEST_H
#define KGPT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/sampling.h"

#define KG_MAX_STOPS 4 /* as options.def says */
#define KG_MAX_LOGPROBS 20

/* What happens when the context is full. */
enum kg_overflow {
    KG_OVERFLOW_ERROR, /* the reply ends */
    KG_OVERFLOW_SHIFT, /* the older half of the conversation is forgotten */
};

struct kg_request {
    struct kg_sampling sampling;
    const char *stops[KG_MAX_STOPS]; /* the reply ends before one of these texts, which the caller keeps until then */
    uint32_t n_stops;
    uint32_t max_tokens; /* 0: to the end of the context */
    uint64_t seed;
    uint32_t index;    /* number of the sample or reply: each has its own stream of random numbers */
    uint32_t logprobs; /* likeliest tokens to tell with each token, at most KG_MAX_LOGPROBS */
    enum kg_overflow on_overflow;
    bool plain;  /* ask for a reply without thoughts, where the chat template can do that */
    bool logits; /* tell the sinks the logits of each token */
    bool layers; /* … and the residual stream after each step of the forward pass */
};

#endif
