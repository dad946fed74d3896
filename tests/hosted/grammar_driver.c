/* Grammars and a tiny model for ctypes: reads grammars and schemas, makes replies within them, and looks into a
 * matcher, token by token. */
#include <stdbool.h>

#include "kgpt/conversation.h"

#include "kgpt/cpu.h"
#include "kgpt/grammar_schema.h"
#include "kgpt/mem.h"

#define MOST_TEXT (1u << 16)
#define GRAMMAR_ROOM (4u << 20)

struct driver {
    struct kg_lm_loaded loaded;
    struct kg_ops base;
    struct kg_quant_ops ops;
    struct kg_workers workers;
    struct kg_arena arena, memory; /* memory: of the grammar */
    struct kg_conversation conversation;
    struct kg_token_order order;
    struct kg_matcher matcher, copy;
    struct kg_grammar grammar;
    struct kg_error error;
    struct kg_sink sink;
    char text[MOST_TEXT];
    size_t n;
};

uint64_t driver_size(void)
{
    return sizeof(struct driver);
}

static void take_text(void *context, const struct kg_reply *reply, const char *text, size_t n)
{
    struct driver *d = context;
    (void)reply;
    n = n < MOST_TEXT - d->n ? n : MOST_TEXT - d->n;
    memcpy(d->text + d->n, text, n);
    d->n += n;
}

static void carve(struct driver *d, const struct kg_lm_options *options, struct kg_arena *arena)
{
    kg_conversation_carve(&d->conversation, &d->loaded, &d->ops, &d->workers, options, NULL, arena);
    kg_token_order_carve(&d->order, &d->loaded.vocab, arena);
    kg_matcher_carve(&d->matcher, &d->order, arena);
    kg_matcher_carve(&d->copy, &d->order, arena);
}

/* KG_E_MEMORY too if it took other memory than it counted. */
enum kg_status driver_open(struct driver *d, void *file, uint64_t size, void *memory, uint64_t bytes, uint32_t n_ctx)
{
    const struct kg_lm_options options = {.n_ctx = n_ctx, .n_batch = 8, .kv = KG_KV_F32, .n_logits = 1};
    struct kg_arena counted = kg_arena_counting();
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    kg_ops_fill(&d->base, cpu.features, KG_ISA_AVX2);
    kg_quant_fill(&d->ops, &d->base, cpu.features, KG_ISA_AVX2);
    kg_arena_init(&d->arena, memory, bytes);
    enum kg_status status = kg_lm_load(&d->loaded, file, size, false, &d->arena, &d->error);
    if (status != KG_OK) {
        return status;
    }
    (void)kg_lm_load_chat(&d->loaded, NULL, 0, &d->error);
    size_t before = d->arena.used;
    carve(d, &options, &counted);
    carve(d, &options, &d->arena);
    if (counted.used != d->arena.used - before) {
        return KG_E_MEMORY;
    }
    kg_conversation_fill(&d->conversation);
    d->conversation.matcher = &d->matcher;
    kg_arena_init(&d->memory, kg_arena_take(&d->arena, GRAMMAR_ROOM), GRAMMAR_ROOM);
    d->sink = (struct kg_sink){.context = d, .text = take_text};
    return kg_token_order_fill(&d->order, KG_NO_TOKEN, &d->arena, &d->error);
}

const char *driver_error(const struct driver *d)
{
    return d->error.message;
}

/* Reads a grammar; `room`: bytes of scratch memory for it, 0: all. */
enum kg_status driver_read(struct driver *d, const char *text, uint64_t n, bool schema, uint64_t room)
{
    const struct kg_text of = {text, n};
    kg_arena_rewind(&d->memory, 0);
    size_t size = d->arena.size, used = d->arena.used;
    d->arena.size = room && used + room < size ? used + room : size;
    enum kg_status status = schema ? kg_grammar_read_schema(&d->grammar, of, &d->memory, &d->arena, &d->error)
                                   : kg_grammar_read(&d->grammar, of, &d->memory, &d->arena, &d->error);
    d->arena.size = size;
    status = d->arena.used == used ? status : KG_E_MEMORY;
    if (status == KG_OK) {
        kg_matcher_begin(&d->matcher, &d->grammar);
    }
    return status;
}

/* What the grammar takes: bytes, operations, classes of bytes. */
void driver_grammar_sizes(const struct driver *d, uint32_t *sizes)
{
    sizes[0] = d->grammar.n_ops;
    sizes[1] = d->grammar.n_sets;
    sizes[2] = d->grammar.n_counters;
    sizes[3] = d->grammar.n_classes;
}

/* A reply within the grammar, from an empty prompt. `favoured` (n): tokens that are made likelier. Returns its reason;
 * -1: refused. */
int driver_reply(struct driver *d, uint64_t seed, float temperature, uint32_t most, const uint32_t *favoured,
                 uint32_t n)
{
    struct kg_request request = {.max_tokens = most, .seed = seed, .grammar = &d->grammar};
    const struct kg_ask ask = {&request, &d->sink, &d->arena, false};
    uint32_t tokens;
    request.sampling = (struct kg_sampling){
        .temperature = temperature, .typical_p = 1, .top_p = 1, .repeat_penalty = 1, .n_biases = n};
    for (uint32_t i = 0; i < n; i++) {
        request.sampling.logit_bias[i] = (struct kg_logit_bias){favoured[i], 3};
    }
    d->n = 0;
    enum kg_status status =
        kg_conversation_encode(&d->conversation, (struct kg_text){"", 0}, &tokens, &d->arena, &d->error);
    if (status == KG_OK) {
        status = kg_conversation_continue(&d->conversation, tokens, &ask, &d->error);
    }
    if (status != KG_OK) {
        return -1;
    }
    (void)kg_conversation_finish(&d->conversation, &d->error);
    return (int)d->conversation.reply.reason;
}

uint64_t driver_text(const struct driver *d, const char **text)
{
    *text = d->text;
    return d->n;
}

/* Begins anew, and takes bytes. 0: they are not let through; 1: they are; 2: they are a whole text. */
int driver_match(struct driver *d, const char *bytes, uint64_t n)
{
    kg_matcher_begin(&d->matcher, &d->grammar);
    return !kg_matcher_bytes(&d->matcher, bytes, n) ? 0 : kg_matcher_may_end(&d->matcher) ? 2 : 1;
}

bool driver_failed(const struct driver *d)
{
    return d->matcher.failed;
}

/* Tokens whose bit in the mask is not what their bytes, or the end, would give: 0 if the mask is right. The number of
 * allowed ones in *allowed. */
uint32_t driver_wrong_bits(struct driver *d, uint32_t *allowed)
{
    const uint32_t *mask = kg_matcher_mask(&d->matcher, allowed);
    uint32_t wrong = 0, count = 0;
    for (uint32_t token = 0; token < d->loaded.vocab.n_vocab; token++) {
        bool set = mask[token / 32] >> token % 32 & 1, ends = kg_vocab_ends(&d->loaded.vocab, token);
        char piece[64];
        kg_matcher_copy(&d->copy, &d->matcher);
        size_t n = kg_vocab_piece(&d->loaded.vocab, token, piece, false);
        bool good = ends ? kg_matcher_may_end(&d->matcher) : n && kg_matcher_bytes(&d->copy, piece, n);
        wrong += set != good;
        count += set;
    }
    return wrong + (count != *allowed);
}

/* The text goes on with an allowed token, the `choice`-th in turn. False: only the end is allowed. */
bool driver_go_on(struct driver *d, uint32_t choice)
{
    uint32_t allowed, n_ends = kg_matcher_may_end(&d->matcher) ? d->order.n_ends : 0;
    const uint32_t *mask = kg_matcher_mask(&d->matcher, &allowed);
    if (allowed <= n_ends) {
        return false;
    }
    choice %= allowed - n_ends;
    for (uint32_t token = 0; token < d->loaded.vocab.n_vocab; token++) {
        bool set = mask[token / 32] >> token % 32 & 1;
        if (set && !kg_vocab_ends(&d->loaded.vocab, token) && choice-- == 0) {
            return kg_matcher_token(&d->matcher, token);
        }
    }
    return false;
}

uint32_t driver_token(const struct driver *d, const char *piece, uint64_t n)
{
    return kg_vocab_find(&d->loaded.vocab, piece, n);
}

/* For measurements: the tokens of a text, and masks along them. Returns how many masks there were. */
uint32_t driver_walk(struct driver *d, const char *text, uint64_t n)
{
    size_t count = 0, room = d->conversation.session.options.n_ctx;
    const struct kg_fragment fragment = {.text = text, .n = n};
    uint32_t allowed;
    kg_matcher_begin(&d->matcher, &d->grammar);
    (void)kg_vocab_encode(&d->loaded.vocab, &fragment, 1, d->conversation.prompt, room, &count, &d->arena, &d->error);
    for (uint32_t i = 0; i < count; i++) {
        (void)kg_matcher_mask(&d->matcher, &allowed);
        if (!kg_matcher_token(&d->matcher, d->conversation.prompt[i])) {
            return i;
        }
    }
    return (uint32_t)count;
}
