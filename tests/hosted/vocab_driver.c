/* A vocabulary for ctypes: one GGUF file in Python's memory, with numbers in place of structures. */
#include "kgpt/vocab.h"

struct driver {
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_arena arena, scratch;
    struct kg_error error;
};

uint64_t driver_size(void)
{
    return sizeof(struct driver);
}

const char *driver_message(const struct driver *driver)
{
    return driver->error.message;
}

const char *driver_hint(const struct driver *driver)
{
    return driver->error.hint;
}

/* Reads only the header. */
enum kg_status driver_read(struct driver *driver, const void *data, uint64_t size, void *memory, uint64_t room)
{
    kg_arena_init(&driver->arena, memory, room);
    return kg_gguf_open(&driver->gguf, data, size, &driver->arena, &driver->error);
}

enum kg_status driver_open(struct driver *driver, void *memory, uint64_t room)
{
    kg_arena_init(&driver->arena, memory, room);
    return kg_vocab_open(&driver->vocab, &driver->gguf, &driver->arena, &driver->error);
}

uint64_t driver_scratch(const struct driver *driver, uint64_t n)
{
    return kg_vocab_scratch(&driver->vocab, n);
}

/* Text i is text[starts[i] .. starts[i + 1]). */
enum kg_status driver_encode(struct driver *driver, const char *text, const uint64_t *starts, const uint8_t *special,
                             uint64_t n, uint32_t *tokens, uint64_t room, uint64_t *count, void *memory, uint64_t size)
{
    struct kg_fragment fragments[16];
    for (uint64_t i = 0; i < n; i++) {
        fragments[i] = (struct kg_fragment){text + starts[i], starts[i + 1] - starts[i], special[i]};
    }
    kg_arena_init(&driver->scratch, memory, size);
    size_t found;
    enum kg_status status =
        kg_vocab_encode(&driver->vocab, fragments, n, tokens, room, &found, &driver->scratch, &driver->error);
    *count = found;
    return status;
}

/* As llama2.c's run.c has it. */
enum kg_status driver_encode_llama2c(struct driver *driver, const char *text, uint64_t n, uint32_t *tokens,
                                     uint64_t room, uint64_t *count, void *memory, uint64_t size)
{
    kg_arena_init(&driver->scratch, memory, size);
    size_t found;
    enum kg_status status =
        kg_vocab_encode_llama2c(&driver->vocab, text, n, tokens, room, &found, &driver->scratch, &driver->error);
    *count = found;
    return status;
}

uint64_t driver_piece_llama2c(const struct driver *driver, uint32_t before, uint32_t token, char *out)
{
    return kg_vocab_piece_llama2c(&driver->vocab, before, token, out);
}

uint64_t driver_piece(const struct driver *driver, uint32_t token, char *out, bool special)
{
    return kg_vocab_piece(&driver->vocab, token, out, special);
}

bool driver_ends(const struct driver *driver, uint32_t token)
{
    return kg_vocab_ends(&driver->vocab, token);
}

uint32_t driver_find(const struct driver *driver, const char *piece, uint64_t n)
{
    return kg_vocab_find(&driver->vocab, piece, n);
}

/* n_vocab, longest, bos, eos, eot, unk, newline, add_bos, add_eos */
void driver_numbers(const struct driver *driver, uint32_t out[9])
{
    const struct kg_vocab *vocab = &driver->vocab;
    const uint32_t numbers[9] = {vocab->n_vocab, vocab->longest, vocab->bos,     vocab->eos,    vocab->eot,
                                 vocab->unk,     vocab->newline, vocab->add_bos, vocab->add_eos};
    for (int i = 0; i < 9; i++) {
        out[i] = numbers[i];
    }
}

const char *driver_name(const struct driver *driver, bool pre)
{
    return pre ? driver->vocab.pre : driver->vocab.model;
}

const char *driver_known(bool pre, uint32_t i)
{
    return (pre ? kg_vocab_pre : kg_vocab_models)[i];
}
