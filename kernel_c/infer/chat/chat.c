/* A chat template in pieces: see kgpt/chat.h. kgpt_build/chat/template.py does the same in Python. */
#include "chat_text.h"

#include "kgpt/crc32.h"
#include "kgpt/utf8.h"

#define CHAT_VERSION 3u
#define END_TOKEN_MAX 256u

/* The blob's start, as it lies in memory. */
struct header {
    char magic[4];
    uint32_t version, size, crc32;
    uint32_t flags, n_pieces, step_flags;
    struct {
        uint32_t offset, length;
    } pieces[KG_CHAT_PIECES];
    char family[16];
};
#define CRC_START 16u

_Static_assert(sizeof(struct header) == 28 + 8 * KG_CHAT_PIECES + 16, "as the host writes it");

static void copy_bytes(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
}

static enum kg_status refuse_template(struct kg_error *error, const char *what)
{
    kg_error_set(error, KG_E_INPUT, "the chat template is damaged: %s", what);
    kg_error_hint(error, "build the kernel again");
    return KG_E_INPUT;
}

static enum kg_status check_header(const struct header *header, const uint8_t *blob, uint64_t size,
                                   struct kg_error *error)
{
    if (header->magic[0] != 'K' || header->magic[1] != 'G' || header->magic[2] != 'C' || header->magic[3] != 'T') {
        return refuse_template(error, "it does not begin with KGCT");
    }
    if (header->version != CHAT_VERSION) {
        return refuse_template(error, "its version is not 3");
    }
    if (header->size < sizeof *header || header->size > size || header->size > KG_CHAT_MAX_BLOB) {
        return refuse_template(error, "its size is not that of its bytes");
    }
    if (kg_crc32(blob + CRC_START, header->size - CRC_START) != header->crc32) {
        return refuse_template(error, "its CRC does not match");
    }
    if (header->n_pieces != KG_CHAT_PIECES || (header->flags & ~KG_CHAT_FLAGS) ||
        (header->step_flags & ~KG_CHAT_RULE)) {
        return refuse_template(error, "its pieces or flags are not those of this version");
    }
    return KG_OK;
}

enum kg_status kg_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error)
{
    struct header header;
    if (size < sizeof header) {
        return refuse_template(error, "it is too short");
    }
    copy_bytes(&header, blob, sizeof header); /* a boot module may be unaligned */
    enum kg_status status = check_header(&header, blob, size, error);
    if (status != KG_OK) {
        return status;
    }
    for (uint32_t i = 0; i < KG_CHAT_PIECES; i++) {
        uint32_t offset = header.pieces[i].offset, length = header.pieces[i].length;
        if (offset < sizeof header || offset > header.size || length > header.size - offset) {
            return refuse_template(error, "a piece lies outside of it");
        }
        chat->piece[i] = (struct kg_text){(const char *)blob + offset, length};
    }
    chat->flags = header.flags;
    chat->step_flags = header.step_flags;
    chat->plain = false;
    for (uint32_t i = 0; i < sizeof header.family; i++) {
        char c = header.family[i];
        chat->family[i] = c == '\0' || (c > ' ' && c < 0x7F) ? c : '?'; /* the name is printed on a console */
    }
    chat->family[sizeof header.family] = '\0';
    return KG_OK;
}

size_t kg_chat_turn(const struct kg_chat *chat, bool first, struct kg_text system, struct kg_text message,
                    struct kg_fragment fragments[KG_CHAT_FRAGMENTS])
{
    size_t n = 0;
    if (!first) {
        fragments[n++] = kg_chat_piece(chat, KG_CHAT_NEXT);
        fragments[n++] = kg_chat_said(chat, KG_CHAT_SLOT_LATER, message);
    } else if (system.n > 0 && !(chat->flags & KG_CHAT_SYSTEM_REFUSED)) {
        fragments[n++] = kg_chat_piece(chat, KG_CHAT_SYSTEM_PRE);
        fragments[n++] = kg_chat_said(chat, KG_CHAT_SLOT_SYSTEM, system);
        fragments[n++] = kg_chat_piece(chat, KG_CHAT_SYSTEM_POST);
        fragments[n++] = kg_chat_said(chat, KG_CHAT_SLOT_FIRST, message);
    } else {
        fragments[n++] = kg_chat_piece(chat, KG_CHAT_BARE_PRE);
        fragments[n++] = kg_chat_said(chat, KG_CHAT_SLOT_FIRST_BARE, message);
    }
    fragments[n++] = kg_chat_piece(chat, kg_chat_ask(chat));
    return n;
}

/* The first word of the list `piece` that `text` holds. */
static struct kg_text word_in(const struct kg_chat *chat, enum kg_chat_piece which, struct kg_text text)
{
    struct kg_text list = chat->piece[which];
    for (size_t from = 0, to; from < list.n; from = to + 1) {
        for (to = from; to < list.n && list.data[to]; to++) {
        }
        struct kg_text word = {list.data + from, to - from};
        if (word.n && kg_chat_find(text, word) < text.n) {
            return word;
        }
    }
    return (struct kg_text){NULL, 0};
}

struct kg_text kg_chat_refused(const struct kg_chat *chat, struct kg_text system, struct kg_text message)
{
    struct kg_text word = word_in(chat, KG_CHAT_SYSTEM_WORDS, system);
    return word.data ? word : word_in(chat, KG_CHAT_MESSAGE_WORDS, message);
}

uint32_t kg_chat_end_token(const struct kg_chat *chat, const struct kg_vocab *vocab)
{
    struct kg_text end = chat->piece[KG_CHAT_END];
    char bytes[END_TOKEN_MAX]; /* a piece is never shorter than its bytes */
    if (end.n == 0 || end.n > sizeof bytes) {
        return KG_NO_TOKEN;
    }
    uint32_t token = kg_vocab_find(vocab, end.data, end.n);
    return token != KG_NO_TOKEN && kg_vocab_piece(vocab, token, bytes, false) == 0 ? token : KG_NO_TOKEN;
}
