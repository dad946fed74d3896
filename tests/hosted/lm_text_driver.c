/* Chat templates, samplers and text streams for ctypes, with numbers and bytes in place of structures. */
#include "kgpt/chat.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/stream.h"

/* A vocabulary of two tokens: a special one, and a piece of text that looks like a stop string. */
uint32_t kg_vocab_find(const struct kg_vocab *vocab, const char *piece, size_t n)
{
    (void)vocab;
    return n == 10 && piece[0] == '<' ? 7 : n == 9 && piece[0] == 'I' ? 8 : KG_NO_TOKEN;
}

size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special)
{
    (void)vocab;
    out[0] = 'I';
    return token == 8 || special ? 1 : 0;
}

static size_t joined(const struct kg_fragment *fragments, size_t n, char *out, size_t *lengths, bool *special)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = fragments[i].n;
        special[i] = fragments[i].special;
        for (size_t j = 0; j < fragments[i].n; j++) {
            out[at++] = fragments[i].text[j];
        }
    }
    return n;
}

enum kg_status driver_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error)
{
    return kg_chat_open(chat, blob, size, error);
}

size_t driver_chat_size(void)
{
    return sizeof(struct kg_chat);
}

/* Concatenates the fragments' texts into `out`. */
size_t driver_chat_turn(struct kg_chat *chat, bool first, bool plain, const char *system, size_t system_n,
                        const char *message, size_t message_n, char *out, size_t *lengths, bool *special)
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS];
    chat->plain = plain;
    size_t n =
        kg_chat_turn(chat, first, (struct kg_text){system, system_n}, (struct kg_text){message, message_n}, fragments);
    return joined(fragments, n, out, lengths, special);
}

size_t driver_chat_reply(const struct kg_chat *chat, const char *reply, size_t reply_n, char *out, size_t *lengths,
                         bool *special)
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS];
    return joined(fragments, kg_chat_reply(chat, (struct kg_text){reply, reply_n}, fragments), out, lengths, special);
}

/* Writes the refused word to `out`, and returns its length. */
size_t driver_chat_refused(const struct kg_chat *chat, const char *system, size_t system_n, const char *message,
                           size_t message_n, char *out)
{
    struct kg_text word =
        kg_chat_refused(chat, (struct kg_text){system, system_n}, (struct kg_text){message, message_n});
    for (size_t i = 0; i < word.n; i++) {
        out[i] = word.data[i];
    }
    return word.n;
}

uint32_t driver_chat_end_token(const struct kg_chat *chat)
{
    return kg_chat_end_token(chat, NULL);
}

uint64_t driver_sampler_size(uint32_t n_vocab)
{
    struct kg_arena counted = kg_arena_counting();
    struct kg_sampler sampler;
    kg_lm_sampler_carve(&sampler, n_vocab, &counted);
    return counted.used;
}

/* Runs a new sampler and random stream. `ids`, `adjusted` and `weights` receive the candidates, `sum` the sum of
 * weights. Returns the number of candidates. */
uint32_t driver_candidates(const struct kg_sampling *sampling, const float *logits, uint32_t n_vocab,
                           const uint32_t *last, uint32_t n_last, void *memory, size_t size, uint32_t *ids,
                           float *adjusted, float *weights, float *sum)
{
    struct kg_arena arena;
    struct kg_sampler sampler;
    kg_arena_init(&arena, memory, size);
    kg_lm_sampler_carve(&sampler, n_vocab, &arena);
    if (arena.used != driver_sampler_size(n_vocab)) {
        return 0;
    }
    uint32_t n = kg_candidates_choose(&sampler, sampling, logits, last, n_last, sum);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = sampler.candidates[i].id;
        adjusted[i] = sampler.candidates[i].logit;
        weights[i] = sampler.candidates[i].weight;
    }
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (sampler.counts[i]) {
            return 0; /* must be zero between two calls */
        }
    }
    return n;
}

/* Samples `n` tokens from the same logits, after `last` and the tokens sampled before. `last` has room for all. */
void driver_sample(const struct kg_sampling *sampling, const float *logits, uint32_t n_vocab, uint32_t *last,
                   uint32_t n_last, uint32_t n, uint64_t seed, void *memory, size_t size)
{
    struct kg_arena arena;
    struct kg_sampler sampler;
    struct kg_random random;
    kg_arena_init(&arena, memory, size);
    kg_lm_sampler_carve(&sampler, n_vocab, &arena);
    kg_random_seed(&random, seed, 0);
    for (uint32_t i = 0; i < n; i++) {
        last[n_last + i] = kg_sample(&sampler, sampling, logits, last, n_last + i, &random);
    }
}

/* The same by llama2.c's sampler; the last tokens do not matter to it. */
void driver_sample_llama2c(const struct kg_sampling *sampling, const float *logits, uint32_t n_vocab, uint32_t n,
                           uint64_t seed, void *memory, size_t size, uint32_t *tokens)
{
    struct kg_arena arena;
    struct kg_sampler sampler;
    struct kg_random random;
    kg_arena_init(&arena, memory, size);
    kg_lm_sampler_carve(&sampler, n_vocab, &arena);
    kg_lm_sampler_use(&sampler, KG_RNG_LLAMA2C, seed);
    kg_random_seed(&random, 0, 0);
    for (uint32_t i = 0; i < n; i++) {
        tokens[i] = kg_sample(&sampler, sampling, logits, NULL, 0, &random);
    }
}

void driver_logprobs(const float *logits, uint32_t n_vocab, uint32_t n, void *memory, size_t size, uint32_t *ids,
                     float *values, float *alone)
{
    struct kg_arena arena;
    struct kg_sampler sampler;
    kg_arena_init(&arena, memory, size);
    kg_lm_sampler_carve(&sampler, n_vocab, &arena);
    struct kg_logprob *out = kg_arena_take(&arena, n * sizeof(struct kg_logprob));
    kg_lm_logprobs(&sampler, logits, out, n);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = out[i].id;
        values[i] = out[i].ln_p;
        alone[i] = kg_lm_logprob(logits, n_vocab, out[i].id);
    }
}

void driver_sampling_defaults(struct kg_sampling *sampling)
{
    kg_lm_sampling_defaults(sampling);
}

/* Feeds `n_pieces` pieces of the given lengths. The output of piece i ends at ends[i], the final flush at
 * ends[n_pieces]. Returns true if the stream stopped. */
bool driver_stream(const char *const *stops, uint32_t n_stops, const char *bytes, const uint32_t *lengths,
                   uint32_t n_pieces, char *out, uint64_t *ends)
{
    struct kg_stream stream;
    uint64_t written = 0;
    kg_stream_begin(&stream);
    for (uint32_t i = 0; i < n_stops; i++) {
        if (!kg_stream_add_stop(&stream, stops[i])) {
            ends[n_pieces] = 0;
            return false;
        }
    }
    for (uint32_t i = 0; i < n_pieces; bytes += lengths[i++]) {
        written += kg_stream_feed(&stream, bytes, lengths[i], out + written);
        ends[i] = written;
    }
    ends[n_pieces] = written + kg_stream_end(&stream, out + written);
    return stream.stopped;
}
