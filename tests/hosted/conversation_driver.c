/* One model and several conversations for ctypes: Python controls when each begins, steps and ends. */
#include <stdbool.h>

#include "kgpt/conversation.h"

#include "kgpt/cpu.h"
#include "kgpt/mem.h"

#define MOST_TEXT 4096
#define MOST_TOKENS 512
#define SPECIAL_TOKENS 4 /* of the tiny models: the first ids */

struct talk {
    struct kg_conversation conversation;
    struct kg_sink sink;
    struct kg_arena *scratch;
    char text[MOST_TEXT]; /* text of the reply, as the sink received it */
    size_t n;
    uint32_t tokens[MOST_TOKENS], n_tokens; /* tokens, as the sink received them */
    float *logits;                          /* (MOST_TOKENS, n_vocab): of the prompt's last token, then of each token */
    uint32_t n_logits;
    uint32_t n_computed; /* computed tokens of the prompt */
    uint32_t forgotten, ended;
    float logprobs;
    struct kg_error error;
};

struct driver {
    struct kg_lm_loaded loaded;
    struct kg_ops base;
    struct kg_quant_ops ops;
    struct kg_workers workers;
    struct kg_arena arena;
    struct kg_error error;
};

uint64_t driver_size(void)
{
    return sizeof(struct driver);
}

uint64_t driver_talk_size(void)
{
    return sizeof(struct talk);
}

enum kg_status driver_open(struct driver *d, void *file, uint64_t size, const void *chat, uint64_t chat_size,
                           void *memory, uint64_t bytes)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    kg_ops_fill(&d->base, cpu.features, KG_ISA_AVX512VNNI);
    kg_quant_fill(&d->ops, &d->base, cpu.features, KG_ISA_AVX512VNNI);
    kg_arena_init(&d->arena, memory, bytes);
    enum kg_status status = kg_lm_load(&d->loaded, file, size, false, &d->arena, &d->error);
    return status == KG_OK ? kg_lm_load_chat(&d->loaded, chat, chat_size, &d->error) : status;
}

uint32_t driver_n_vocab(const struct driver *d)
{
    return d->loaded.vocab.n_vocab;
}

static void take_logits(void *context, const struct kg_reply *reply, uint32_t token)
{
    struct talk *talk = context;
    size_t n = reply->past.n_vocab;
    (void)token;
    if (talk->n_logits < MOST_TOKENS) {
        memcpy(talk->logits + talk->n_logits++ * n, reply->past.logits, n * sizeof(float));
    }
}

static void take_text(void *context, const struct kg_reply *reply, const char *text, size_t n)
{
    struct talk *talk = context;
    (void)reply;
    n = n < MOST_TEXT - talk->n ? n : MOST_TEXT - talk->n;
    memcpy(talk->text + talk->n, text, n);
    talk->n += n;
}

static void take_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    struct talk *talk = context;
    (void)reply;
    talk->tokens[talk->n_tokens++ % MOST_TOKENS] = token->id;
    talk->logprobs += token->logprob;
}

static void take_forgotten(void *context, const struct kg_reply *reply, uint32_t discarded)
{
    (void)reply;
    ((struct talk *)context)->forgotten += discarded;
}

static void take_begin(void *context, const struct kg_reply *reply)
{
    ((struct talk *)context)->n_computed = reply->n_prompt;
}

static void take_end(void *context, const struct kg_reply *reply)
{
    (void)reply;
    ((struct talk *)context)->ended++;
}

enum kg_status driver_talk(struct driver *d, struct talk *talk, const struct kg_lm_options *options)
{
    memset(talk, 0, sizeof *talk);
    talk->sink = (struct kg_sink){.context = talk,
                                  .begin = take_begin,
                                  .forgot = take_forgotten,
                                  .logits = take_logits,
                                  .text = take_text,
                                  .token = take_token,
                                  .done = take_end};
    talk->scratch = &d->arena;
    talk->logits = kg_arena_take(&d->arena, MOST_TOKENS * d->loaded.vocab.n_vocab * sizeof(float));
    struct kg_arena counted = kg_arena_counting();
    size_t before = d->arena.used;
    kg_conversation_carve(&talk->conversation, &d->loaded, &d->ops, &d->workers, options, NULL, &counted);
    if (!talk->logits || counted.peak > kg_arena_left(&d->arena)) {
        return KG_E_MEMORY;
    }
    kg_conversation_carve(&talk->conversation, &d->loaded, &d->ops, &d->workers, options, NULL, &d->arena);
    kg_conversation_fill(&talk->conversation);
    return d->arena.used - before == counted.used ? KG_OK : KG_E_MEMORY;
}

/* Parameters of a reply. */
struct settings {
    float temperature, repeat_penalty, frequency_penalty;
    uint32_t max_tokens, logprobs, shift, endless; /* endless: suppress special tokens */
    uint64_t seed;
    const char *stop;
};

static struct kg_request request_of(const struct settings *settings)
{
    struct kg_request request = {.max_tokens = settings->max_tokens,
                                 .seed = settings->seed,
                                 .logprobs = settings->logprobs,
                                 .on_overflow = settings->shift ? KG_OVERFLOW_SHIFT : KG_OVERFLOW_ERROR,
                                 .logits = true};
    request.sampling = (struct kg_sampling){.temperature = settings->temperature,
                                            .typical_p = 1,
                                            .top_p = 1,
                                            .repeat_last_n = 64,
                                            .repeat_penalty = settings->repeat_penalty,
                                            .frequency_penalty = settings->frequency_penalty};
    while (settings->endless && request.sampling.n_biases < SPECIAL_TOKENS) {
        request.sampling.logit_bias[request.sampling.n_biases] =
            (struct kg_logit_bias){request.sampling.n_biases, -__builtin_inff()};
        request.sampling.n_biases++;
    }
    if (settings->stop[0]) {
        request.stops[request.n_stops++] = settings->stop;
    }
    return request;
}

static void clear_reply(struct talk *talk)
{
    talk->n = 0;
    talk->n_tokens = talk->n_logits = 0;
}

enum kg_status driver_message(struct talk *talk, const struct settings *settings, const char *text, uint64_t n)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = {&request, &talk->sink, talk->scratch};
    clear_reply(talk);
    return kg_conversation_message(&talk->conversation, (struct kg_text){"", 0}, (struct kg_text){text, n}, &ask,
                                   &talk->error);
}

enum kg_status driver_again(struct talk *talk, const struct settings *settings)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = {&request, &talk->sink, talk->scratch};
    clear_reply(talk);
    return kg_conversation_again(&talk->conversation, &ask, &talk->error);
}

enum kg_status driver_continue(struct talk *talk, const struct settings *settings, const char *text, uint64_t n)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = {&request, &talk->sink, talk->scratch};
    uint32_t tokens = 0;
    clear_reply(talk);
    enum kg_status status =
        kg_conversation_encode(&talk->conversation, (struct kg_text){text, n}, &tokens, talk->scratch, &talk->error);
    return status == KG_OK ? kg_conversation_continue(&talk->conversation, tokens, &ask, &talk->error) : status;
}

void driver_reset(struct talk *talk)
{
    kg_conversation_reset(&talk->conversation);
}

/* -1: the reply continues; otherwise its final status. */
int driver_step(struct talk *talk)
{
    enum kg_status status = kg_conversation_step(&talk->conversation, &talk->error);
    if (!talk->conversation.reply.ended) {
        return -1;
    }
    kg_conversation_end(&talk->conversation);
    return (int)status;
}

uint64_t driver_text(const struct talk *talk, const char **text)
{
    *text = talk->text;
    return talk->n;
}

uint32_t driver_tokens(const struct talk *talk, const uint32_t **tokens)
{
    *tokens = talk->tokens;
    return talk->n_tokens;
}

uint32_t driver_logits(const struct talk *talk, const float **logits)
{
    *logits = talk->logits;
    return talk->n_logits;
}

/* Fills the context. */
uint32_t driver_past(const struct talk *talk, const uint32_t **tokens)
{
    *tokens = talk->conversation.session.tokens;
    return talk->conversation.session.n_past;
}

void driver_told(const struct talk *talk, uint32_t told[3], float *logprobs)
{
    const uint32_t list[] = {talk->n_computed, talk->forgotten, talk->ended};
    memcpy(told, list, sizeof list);
    *logprobs = talk->logprobs;
}

const char *driver_message_of(const struct talk *talk)
{
    return talk->error.message;
}
