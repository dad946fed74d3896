/* Texts of a chat, trimmed and searched: see chat_text.h. */
#include "chat_text.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

/* White space as Python's str.strip defines it, and templates with it. */
static bool is_white_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

/* Bytes of the white-space character that starts the text, 0 if none does. */
static size_t space_at_start(struct kg_text text)
{
    size_t n = kg_utf8_length(text.data, text.n);
    return n && is_white_space(kg_utf8_code(text.data, n)) ? n : 0;
}

static size_t space_at_end(struct kg_text text)
{
    for (size_t n = 1; n <= 3 && n <= text.n; n++) { /* no white space has four bytes in UTF-8 */
        const char *start = text.data + text.n - n;
        if (kg_utf8_length(start, n) == n) {
            return is_white_space(kg_utf8_code(start, n)) ? n : 0;
        }
    }
    return 0;
}

struct kg_text kg_chat_trim_left(struct kg_text text)
{
    size_t n;
    while ((n = space_at_start(text)) > 0) {
        text.data += n;
        text.n -= n;
    }
    return text;
}

struct kg_text kg_chat_trim_right(struct kg_text text)
{
    size_t n;
    while ((n = space_at_end(text)) > 0) {
        text.n -= n;
    }
    return text;
}

struct kg_text kg_chat_trim_slot(const struct kg_chat *chat, enum kg_chat_slot slot, struct kg_text text)
{
    text = chat->flags & KG_CHAT_TRIM_LEFT(slot) ? kg_chat_trim_left(text) : text;
    return chat->flags & KG_CHAT_TRIM_RIGHT(slot) ? kg_chat_trim_right(text) : text;
}

bool kg_chat_stands_at(struct kg_text text, size_t at, struct kg_text word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (text.data[at + i] != word.data[i]) {
            return false;
        }
    }
    return true;
}

size_t kg_chat_find(struct kg_text text, struct kg_text word)
{
    for (size_t at = 0; at + word.n <= text.n; at++) {
        if (kg_chat_stands_at(text, at, word)) {
            return at;
        }
    }
    return text.n;
}

size_t kg_chat_find_last(struct kg_text text, struct kg_text word)
{
    for (size_t end = text.n; end >= word.n; end--) {
        if (kg_chat_stands_at(text, end - word.n, word)) {
            return end - word.n;
        }
    }
    return text.n;
}
