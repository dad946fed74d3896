/* Reads UTF-8 into documents, one a line or one a block of characters: see kgpt/train_corpus.h.
 *
 * walk_text runs twice: the first pass counts and marks the code points that occur, the second stores the tokens. */
#include "kgpt/train_corpus.h"

#include <stdbool.h>

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define KG_CODE_POINTS 0x110000u
#define MARKS_SIZE (KG_CODE_POINTS / 8)
#define MARKS_ROOM (MARKS_SIZE + KG_ARENA_ALIGN) /* what aligned marks can take at the end of an arena */

struct walk {
    uint32_t block;  /* characters a document of running text has; 0: documents are lines */
    uint32_t *marks; /* a bit for each code point; in the second pass NULL */
    uint32_t n_chars;
    uint32_t *chars, *tokens, *start; /* NULL in the first pass */
    uint64_t n_tokens, n_documents;
    uint64_t line, first_line, longest, longest_line;
};

/* The code points for which Python's str.isspace is true. */
static bool is_python_space(uint32_t code)
{
    if (code < 0x80) {
        return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
    }
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

static uint32_t find_char(const struct walk *walk, uint32_t code)
{
    uint32_t low = 0, high = walk->n_chars;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (walk->chars[middle] <= code) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add_char(struct walk *walk, uint32_t code)
{
    if (walk->tokens) {
        walk->tokens[walk->n_tokens] = find_char(walk, code);
    } else {
        walk->marks[code / 32] |= 1u << code % 32;
    }
    walk->n_tokens++;
}

static void begin_document(struct walk *walk)
{
    if (walk->start) {
        walk->start[walk->n_documents] = (uint32_t)walk->n_tokens;
    }
    if (walk->n_documents++ == 0) {
        walk->first_line = walk->line;
    }
}

static void add_document(struct walk *walk, const char *line, size_t n)
{
    uint64_t before = walk->n_tokens;
    begin_document(walk);
    for (size_t at = 0; at < n;) {
        size_t length = kg_utf8_length(line + at, n - at);
        add_char(walk, kg_utf8_code(line + at, length));
        at += length;
    }
    if (walk->n_tokens - before > walk->longest) {
        walk->longest = walk->n_tokens - before;
        walk->longest_line = walk->line;
    }
}

static enum kg_status refuse_no_utf8(const struct walk *walk, const char *line, size_t at, struct kg_error *error)
{
    kg_error_set(error, KG_E_INPUT, "line %lu of the corpus: byte 0x%02x at byte %zu of the line is not UTF-8",
                 (unsigned long)walk->line, (unsigned)(uint8_t)line[at], at + 1);
    kg_error_hint(error, "save the corpus as UTF-8");
    return KG_E_INPUT;
}

/* The line without white space at both ends: [*from, *to). */
static enum kg_status strip_line(const struct walk *walk, const char *line, size_t n, size_t *from, size_t *to,
                                 struct kg_error *error)
{
    *from = *to = 0;
    for (size_t at = 0; at < n;) {
        size_t length = kg_utf8_length(line + at, n - at);
        if (length == 0) {
            return refuse_no_utf8(walk, line, at, error);
        }
        bool space = is_python_space(kg_utf8_code(line + at, length));
        if (!space && *to == 0) {
            *from = at;
        }
        at += length;
        if (!space) {
            *to = at;
        }
    }
    return KG_OK;
}

static enum kg_status walk_lines(struct walk *walk, const char *text, size_t n, struct kg_error *error)
{
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && text[end] != '\n' && text[end] != '\r') {
            end++;
        }
        walk->line++;
        size_t from, to;
        enum kg_status status = strip_line(walk, text + at, end - at, &from, &to, error);
        if (status != KG_OK) {
            return status;
        }
        if (to > from) {
            add_document(walk, text + at + from, to - from);
        }
        at = end + (end + 1 < n && text[end] == '\r' && text[end + 1] == '\n' ? 2 : 1);
    }
    return KG_OK;
}

/* The offset after the character at `at`; 0 if it is not UTF-8. \r\n and \r count as \n, as in Python's open(). */
static size_t next_char(const char *text, size_t n, size_t at, uint32_t *code)
{
    size_t length = kg_utf8_length(text + at, n - at);
    if (length == 0) {
        return 0;
    }
    *code = kg_utf8_code(text + at, length);
    if (*code == '\r') {
        *code = '\n';
        length += at + 1 < n && text[at + 1] == '\n';
    }
    return at + length;
}

/* Running text: every `block` characters are a document; white space and line ends count as characters. */
static enum kg_status walk_blocks(struct walk *walk, const char *text, size_t n, struct kg_error *error)
{
    size_t line = 0;
    uint32_t code;
    walk->line = 1;
    walk->longest_line = 1;
    for (size_t at = 0, next; at < n; at = next) {
        next = next_char(text, n, at, &code);
        if (next == 0) {
            return refuse_no_utf8(walk, text + line, at - line, error);
        }
        if (walk->n_tokens % walk->block == 0) {
            begin_document(walk);
        }
        add_char(walk, code);
        if (code == '\n') {
            walk->line++;
            line = next;
        }
    }
    walk->longest = walk->n_tokens < walk->block ? walk->n_tokens : walk->block;
    return KG_OK;
}

static enum kg_status walk_text(struct walk *walk, const char *text, size_t n, struct kg_error *error)
{
    return walk->block ? walk_blocks(walk, text, n, error) : walk_lines(walk, text, n, error);
}

static uint32_t first_mark(const uint32_t *marks)
{
    uint32_t code = 0;
    while (!(marks[code / 32] >> code % 32 & 1)) {
        code++;
    }
    return code;
}

static uint32_t count_marks(const uint32_t *marks)
{
    uint32_t n = 0;
    for (uint32_t code = 0; code < KG_CODE_POINTS; code++) {
        n += marks[code / 32] >> code % 32 & 1;
    }
    return n;
}

static void list_marks(const uint32_t *marks, uint32_t *chars)
{
    for (uint32_t code = 0; code < KG_CODE_POINTS; code++) {
        if (marks[code / 32] >> code % 32 & 1) {
            *chars++ = code;
        }
    }
}

static enum kg_status check_counts(const struct walk *walk, struct kg_error *error)
{
    if (walk->n_documents == 0) {
        kg_error_set(error, KG_E_INPUT, "the corpus is empty: no text on any of its %lu lines",
                     (unsigned long)walk->line);
        kg_error_hint(error, "write one document on each line");
        return KG_E_INPUT;
    }
    if (walk->n_chars == 1) {
        kg_error_set(error, KG_E_INPUT,
                     "the corpus has one distinct character, U+%04X, first on line %lu: there is nothing to learn",
                     first_mark(walk->marks), (unsigned long)walk->first_line);
        kg_error_hint(error, "use a text of at least two different characters");
        return KG_E_INPUT;
    }
    if (walk->n_tokens > UINT32_MAX) {
        kg_error_set(error, KG_E_INPUT, "the corpus has %lu characters, more than %u", (unsigned long)walk->n_tokens,
                     UINT32_MAX);
        kg_error_hint(error, "train on a part of it");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static enum kg_status refuse_corpus_memory(const struct kg_arena *arena, uint64_t needed, struct kg_error *error)
{
    kg_error_set(error, KG_E_MEMORY, "the corpus needs %lu bytes of memory, %lu are free", (unsigned long)needed,
                 (unsigned long)kg_arena_left(arena));
    kg_error_hint(error, "give the machine more memory, or use a smaller corpus");
    return KG_E_MEMORY;
}

/* The marks lie at the end of the arena and are only needed while the corpus is read. The corpus itself is taken from
 * the start of the free part. */
static uint32_t *take_marks(struct kg_arena *arena)
{
    if (kg_arena_left(arena) < MARKS_ROOM) {
        return NULL;
    }
    size_t at = (arena->size - MARKS_SIZE) & ~(size_t)(KG_ARENA_ALIGN - 1);
    arena->dirty = arena->size;
    return memset(arena->base + at, 0, MARKS_SIZE);
}

/* The memory of the second pass, with the sizes that the first pass counted. */
static struct walk carve_walk(const struct walk *counted, struct kg_arena *arena)
{
    struct walk walk = {.block = counted->block, .n_chars = counted->n_chars};
    walk.chars = kg_arena_array(arena, counted->n_chars, sizeof *walk.chars);
    walk.tokens = kg_arena_array(arena, counted->n_tokens, sizeof *walk.tokens);
    walk.start = kg_arena_array(arena, counted->n_documents + 1, sizeof *walk.start);
    return walk;
}

static void store_corpus(struct kg_corpus *corpus, const struct walk *counted, const char *text, size_t n,
                         struct kg_arena *arena)
{
    struct kg_error never; /* the text was walked before */
    struct walk walk = carve_walk(counted, arena);
    list_marks(counted->marks, walk.chars);
    walk_text(&walk, text, n, &never);
    walk.start[walk.n_documents] = (uint32_t)walk.n_tokens;
    *corpus = (struct kg_corpus){
        .tokens = walk.tokens,
        .start = walk.start,
        .n_documents = (uint32_t)walk.n_documents,
        .n_tokens = (uint32_t)walk.n_tokens,
        .chars = walk.chars,
        .n_chars = walk.n_chars,
        .bos_id = walk.n_chars,
        .n_vocab = walk.n_chars + 1,
        .longest = (uint32_t)walk.longest,
        .longest_line = (uint32_t)walk.longest_line,
    };
}

/* Editors on Windows write a byte order mark; it is not part of the text. */
static void skip_byte_order_mark(const char **text, size_t *n)
{
    const char *t = *text;
    if (*n >= 3 && t[0] == '\xEF' && t[1] == '\xBB' && t[2] == '\xBF') {
        *text += 3;
        *n -= 3;
    }
}

enum kg_status kg_corpus_read(struct kg_corpus *corpus, const char *text, size_t n, uint32_t block,
                              struct kg_arena *arena, struct kg_error *error)
{
    struct walk walk = {.block = block, .marks = take_marks(arena)};
    skip_byte_order_mark(&text, &n);
    if (!walk.marks) {
        return refuse_corpus_memory(arena, MARKS_ROOM, error);
    }
    enum kg_status status = walk_text(&walk, text, n, error);
    if (status != KG_OK) {
        return status;
    }
    walk.n_chars = count_marks(walk.marks);
    status = check_counts(&walk, error);
    if (status != KG_OK) {
        return status;
    }
    struct kg_arena counted = kg_arena_counting();
    carve_walk(&walk, &counted);
    if (counted.used > kg_arena_left(arena) - MARKS_ROOM) {
        return refuse_corpus_memory(arena, counted.used + MARKS_ROOM, error);
    }
    store_corpus(corpus, &walk, text, n, arena);
    return KG_OK;
}

size_t kg_corpus_text(const struct kg_corpus *corpus, const uint32_t *tokens, uint32_t n_tokens, char *out, size_t size)
{
    size_t total = 0, stored = 0;
    for (uint32_t i = 0; i < n_tokens; i++) {
        char bytes[4];
        size_t length = tokens[i] < corpus->n_chars ? kg_utf8_encode(corpus->chars[tokens[i]], bytes) : 0;
        if (stored == total && total + length < size) {
            memcpy(out + total, bytes, length);
            stored += length;
        }
        total += length;
    }
    if (size) {
        out[stored] = '\0';
    }
    return total;
}
