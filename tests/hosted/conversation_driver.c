/* One model and several conversations for ctypes: Python controls when each begins, steps and ends. They compute
 * alone, or together in the slots of a batch. */
#include <stdbool.h>

#include "kgpt/batch.h"

#include "kgpt/cpu.h"
#include "kgpt/mem.h"

#define MOST_TEXT 4096
#define MOST_TOKENS 512
#define SPECIAL_TOKENS 4 /* of the tiny models: the first ids */

struct talk {
    struct kg_conversation *conversation, own;
    struct kg_batch *batch; /* NULL: alone */
    uint32_t slot;
    bool stops; /* the sink wants the end */
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
    struct kg_speculation_options speculation; /* of the batch */
    struct kg_conversation first;
    struct kg_batch batch;
};

/* Runs workers one after the other, last one first. */
static uint32_t n_workers = 1;

static void run_in_turn(kg_work *work, void *context)
{
    for (uint32_t i = n_workers; i-- > 0;) {
        work(context, i, n_workers);
    }
}

void driver_workers(uint32_t n)
{
    n_workers = n;
}

uint64_t driver_size(void)
{
    return sizeof(struct driver);
}

uint64_t driver_talk_size(void)
{
    return sizeof(struct talk);
}

enum kg_status driver_open(struct driver *d, void *file, uint64_t size, const void *chat, uint64_t chat_size,
                           void *memory, uint64_t bytes, uint32_t isa)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    kg_ops_fill(&d->base, cpu.features, (enum kg_isa)isa);
    kg_quant_fill(&d->ops, &d->base, cpu.features, (enum kg_isa)isa);
    d->workers.run = run_in_turn;
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

static bool sink_stops(void *context)
{
    return ((struct talk *)context)->stops;
}

static bool open_talk(struct driver *d, struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    talk->sink = (struct kg_sink){.context = talk,
                                  .begin = take_begin,
                                  .forgot = take_forgotten,
                                  .logits = take_logits,
                                  .text = take_text,
                                  .token = take_token,
                                  .done = take_end,
                                  .stopped = sink_stops};
    talk->scratch = &d->arena;
    talk->logits = kg_arena_take(&d->arena, MOST_TOKENS * d->loaded.vocab.n_vocab * sizeof(float));
    return talk->logits != NULL;
}

enum kg_status driver_talk(struct driver *d, struct talk *talk, const struct kg_lm_options *options)
{
    bool opened = open_talk(d, talk);
    struct kg_arena counted = kg_arena_counting();
    size_t before = d->arena.used;
    talk->conversation = &talk->own;
    kg_conversation_carve(talk->conversation, &d->loaded, &d->ops, &d->workers, options, NULL, &counted);
    if (!opened || counted.peak > kg_arena_left(&d->arena)) {
        return KG_E_MEMORY;
    }
    kg_conversation_carve(talk->conversation, &d->loaded, &d->ops, &d->workers, options, NULL, &d->arena);
    kg_conversation_fill(talk->conversation);
    return d->arena.used - before == counted.used ? KG_OK : KG_E_MEMORY;
}

static void carve_slots(struct driver *d, const struct kg_lm_options *options, uint32_t n, struct kg_arena *arena)
{
    const struct kg_lm_options together = kg_batch_options(*options, n);
    kg_conversation_carve(&d->first, &d->loaded, &d->ops, &d->workers, &together, &d->speculation, arena);
    kg_batch_carve(&d->batch, &d->first, n, arena);
}

/* Drafts for the next batch. A draft model is the model itself. */
void driver_speculate(struct driver *d, uint32_t kind, uint32_t tokens)
{
    d->speculation = (struct kg_speculation_options){
        .kind = (enum kg_speculate)kind, .tokens = tokens, .model = &d->loaded.model, .kv = KG_KV_F16};
}

/* Tokens of the replies so far that were drafted, and those of them that were sampled. */
void driver_drafts(const struct driver *d, uint64_t told[2])
{
    told[0] = told[1] = 0;
    for (uint32_t i = 0; i < d->batch.n; i++) {
        told[0] += d->batch.slots[i].conversation->total.drafted;
        told[1] += d->batch.slots[i].conversation->total.accepted;
    }
}

/* A batch of `n` slots. */
enum kg_status driver_batch(struct driver *d, const struct kg_lm_options *options, uint32_t n)
{
    struct kg_arena counted = kg_arena_counting();
    size_t before = d->arena.used;
    carve_slots(d, options, n, &counted);
    if (counted.peak > kg_arena_left(&d->arena)) {
        return KG_E_MEMORY;
    }
    carve_slots(d, options, n, &d->arena);
    kg_conversation_fill(&d->first);
    return d->arena.used - before == counted.used ? KG_OK : KG_E_MEMORY;
}

/* A talk in a slot of the batch. */
enum kg_status driver_talk_in(struct driver *d, struct talk *talk, uint32_t slot)
{
    bool opened = open_talk(d, talk);
    talk->batch = &d->batch;
    talk->slot = slot;
    talk->conversation = d->batch.slots[slot].conversation;
    kg_conversation_reset(talk->conversation);
    return opened ? KG_OK : KG_E_MEMORY;
}

uint32_t driver_batch_step(struct driver *d, uint64_t *passes)
{
    uint32_t running = kg_batch_step(&d->batch);
    *passes = d->batch.passes;
    return running;
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

static struct kg_ask ask_of(struct talk *talk, const struct kg_request *request)
{
    return (struct kg_ask){request, &talk->sink, talk->scratch, talk->batch != NULL};
}

static enum kg_status join(struct talk *talk, enum kg_status begun)
{
    if (talk->batch && begun == KG_OK) {
        kg_batch_join(talk->batch, talk->slot);
    }
    return begun;
}

static void clear_reply(struct talk *talk)
{
    talk->n = 0;
    talk->n_tokens = talk->n_logits = 0;
}

enum kg_status driver_message(struct talk *talk, const struct settings *settings, const char *text, uint64_t n)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = ask_of(talk, &request);
    clear_reply(talk);
    return join(talk, kg_conversation_message(talk->conversation, (struct kg_text){"", 0}, (struct kg_text){text, n},
                                              &ask, &talk->error));
}

enum kg_status driver_again(struct talk *talk, const struct settings *settings)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = ask_of(talk, &request);
    clear_reply(talk);
    return join(talk, kg_conversation_again(talk->conversation, &ask, &talk->error));
}

enum kg_status driver_continue(struct talk *talk, const struct settings *settings, const char *text, uint64_t n)
{
    const struct kg_request request = request_of(settings);
    const struct kg_ask ask = ask_of(talk, &request);
    uint32_t tokens = 0;
    clear_reply(talk);
    enum kg_status status =
        kg_conversation_encode(talk->conversation, (struct kg_text){text, n}, &tokens, talk->scratch, &talk->error);
    if (talk->batch && status == KG_OK) {
        kg_batch_share_prefix(talk->batch, talk->slot, tokens);
    }
    return status == KG_OK ? join(talk, kg_conversation_continue(talk->conversation, tokens, &ask, &talk->error))
                           : status;
}

void driver_reset(struct talk *talk)
{
    kg_conversation_reset(talk->conversation);
}

/* -1: the reply continues; otherwise its final status. In a batch driver_batch_step makes the steps. */
int driver_step(struct talk *talk)
{
    if (talk->batch) {
        const struct kg_batch_slot *slot = &talk->batch->slots[talk->slot];
        talk->error = slot->error;
        return slot->running ? -1 : (int)slot->status;
    }
    enum kg_status status = kg_conversation_step(talk->conversation, &talk->error);
    if (!talk->conversation->reply.ended) {
        return -1;
    }
    kg_conversation_end(talk->conversation);
    return (int)status;
}

void driver_stop(struct talk *talk)
{
    talk->stops = true;
}

void driver_leave(struct talk *talk)
{
    kg_batch_leave(talk->batch, talk->slot);
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
    *tokens = talk->conversation->session.tokens;
    return talk->conversation->session.n_past;
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
