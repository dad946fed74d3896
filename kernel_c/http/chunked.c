/* Chunked bodies: see kgpt/http.h. */
#include "kgpt/http.h"

#include "bytes.h"

#include "kgpt/mem.h"

#define LINE_MOST 256u     /* bytes of a chunk's first line */
#define TRAILER_MOST 4096u /* bytes of the fields behind the last chunk */
#define SIZE_MOST (1ull << 40)

enum state {
    IN_SIZE,      /* digits of the size */
    IN_EXTENSION, /* behind a semicolon: a name, which is ignored */
    IN_EXTENDED,  /* … and its value, without quotes */
    SIZE_LF,      /* the line feed behind the size */
    IN_DATA,
    DATA_CR, /* behind the data */
    DATA_LF,
    LINE_START, /* of a trailer's line */
    IN_NAME,    /* of a field */
    IN_VALUE,
    TRAILER_LF, /* of a trailer's line */
    LAST_LF,    /* of the empty line */
};

static int32_t chunk_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void move_on(struct kg_http_chunked *chunked, bool good, enum state next)
{
    chunked->state = (uint8_t)next;
    if (!good) {
        chunked->problem = "the framing of the chunks is wrong";
    }
}

static void read_chunk_size(struct kg_http_chunked *chunked, char c)
{
    int32_t digit = chunk_digit(c);
    if (digit >= 0) {
        chunked->left = chunked->left * 16 + (uint32_t)digit;
        chunked->line++;
        move_on(chunked, chunked->left < SIZE_MOST && chunked->line < LINE_MOST, IN_SIZE);
    } else {
        move_on(chunked, chunked->line && (c == ';' || c == '\r'), c == '\r' ? SIZE_LF : IN_EXTENSION);
    }
}

/* ;NAME or ;NAME=VALUE */
static void read_extension(struct kg_http_chunked *chunked, char c)
{
    bool named = chunked->state == IN_EXTENSION && c == '=';
    bool good = kg_http_is_token(c) || c == ';' || c == '\r' || named;
    chunked->line++;
    move_on(chunked, good && chunked->line < LINE_MOST,
            c == '\r'  ? SIZE_LF
            : c == ';' ? IN_EXTENSION
            : named    ? IN_EXTENDED
                       : (enum state)chunked->state);
}

/* One byte of the framing. */
static void read_framing_byte(struct kg_http_chunked *chunked, char c)
{
    bool text = kg_http_is_text(c), token = kg_http_is_token(c);
    switch ((enum state)chunked->state) {
    case IN_SIZE: read_chunk_size(chunked, c); return;
    case IN_EXTENSION:
    case IN_EXTENDED: read_extension(chunked, c); return;
    case SIZE_LF: move_on(chunked, c == '\n', chunked->left ? IN_DATA : LINE_START); return;
    case IN_DATA: return;
    case DATA_CR: move_on(chunked, c == '\r', DATA_LF); return;
    case DATA_LF:
        chunked->line = 0;
        move_on(chunked, c == '\n', IN_SIZE);
        return;
    case LINE_START: move_on(chunked, token || c == '\r', c == '\r' ? LAST_LF : IN_NAME); break;
    case IN_NAME: move_on(chunked, token || c == ':', c == ':' ? IN_VALUE : IN_NAME); break;
    case IN_VALUE: move_on(chunked, text || c == '\r', c == '\r' ? TRAILER_LF : IN_VALUE); break;
    case TRAILER_LF: move_on(chunked, c == '\n', LINE_START); break;
    case LAST_LF:
        move_on(chunked, c == '\n', LAST_LF);
        chunked->whole = !chunked->problem;
        return;
    }
    if (++chunked->trailer > TRAILER_MOST) {
        move_on(chunked, false, IN_NAME);
    }
}

size_t kg_http_unchunk(struct kg_http_chunked *chunked, const char *bytes, size_t n, char *out, size_t room,
                       size_t *got)
{
    size_t at = 0;
    *got = 0;
    while (at < n && !chunked->whole && !chunked->problem) {
        if (chunked->state != IN_DATA) {
            read_framing_byte(chunked, bytes[at++]);
            continue;
        }
        size_t part = chunked->left < n - at ? (size_t)chunked->left : n - at;
        part = part < room - *got ? part : room - *got;
        if (part == 0) {
            break; /* `out` is full */
        }
        memmove(out + *got, bytes + at, part); /* they may be parts of one buffer */
        *got += part;
        at += part;
        chunked->left -= part;
        chunked->state = chunked->left ? IN_DATA : DATA_CR;
    }
    return at;
}
