/* Addresses of files on servers: see kgpt/url.h. */
#include "kgpt/url.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define HASH_WORD "sha256="
#define HTTP_PORT 80u
#define TFTP_PORT 69u

static enum kg_status refuse_url(struct kg_error *error, const char *text, const char *why, const char *hint)
{
    kg_error_set(error, KG_E_INPUT, "%.160s%s: %s", text, kg_strlen(text) > 160 ? "…" : "", why);
    kg_error_hint(error, "%s", hint);
    return KG_E_INPUT;
}

static int32_t hash_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* All of the text behind "#". */
static bool read_stated_hash(struct kg_url *url, const char *text)
{
    size_t n = sizeof HASH_WORD - 1;
    if (!kg_str_starts(text, HASH_WORD)) {
        return false;
    }
    for (size_t i = 0; i < KG_URL_SHA256; i++, n += 2) {
        int32_t high = hash_digit(text[n]), low = high >= 0 ? hash_digit(text[n + 1]) : -1;
        if (low < 0) {
            return false;
        }
        url->sha256[i] = (uint8_t)(high << 4 | low);
    }
    url->stated = text[n] == '\0';
    return url->stated;
}

/* Moves *text behind the port, if it has one. */
static bool read_port(struct kg_url *url, const char **text)
{
    uint32_t port = 0, digits = 0;
    if (**text != ':') {
        return true;
    }
    for ((*text)++; **text >= '0' && **text <= '9' && digits < 5; (*text)++, digits++) {
        port = port * 10 + (uint32_t)(**text - '0');
    }
    url->port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

static bool is_host_character(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '.' || c == '_';
}

enum kg_status kg_url_read(struct kg_url *url, const char *text, struct kg_error *error)
{
    static const char form[] = "write http://HOST[:PORT]/FILE.gguf or tftp://HOST/FILE.gguf, with an address or a name";
    const char *at = text;
    size_t n = 0;
    *url = (struct kg_url){.scheme = kg_str_starts(text, "tftp://") ? KG_URL_TFTP : KG_URL_HTTP};
    url->port = url->scheme == KG_URL_HTTP ? HTTP_PORT : TFTP_PORT;
    if (kg_strlen(text) > KG_URL_MOST) {
        return refuse_url(error, text, "it is longer than 511 bytes", "give the file a shorter path");
    }
    if (kg_str_starts(text, "https://")) {
        return refuse_url(error, text, "there is no TLS here",
                          "use http:// within a network that you trust, with #sha256= behind the address");
    }
    if (!kg_str_starts(text, "http://") && !kg_str_starts(text, "tftp://")) {
        return refuse_url(error, text, "only http:// and tftp:// are spoken here", form);
    }
    for (at += 7; is_host_character(*at) && n + 1 < sizeof url->host; at++) {
        url->host[n++] = *at;
    }
    if (n == 0 || !read_port(url, &at) || *at != '/') {
        return refuse_url(error, text, "the host or its port is wrong", form);
    }
    for (n = 0; *at > ' ' && *at < 0x7F && *at != '#'; at++) {
        url->path[n++] = *at;
    }
    if (*at && *at != '#') {
        return refuse_url(error, text, "the path holds a character that is not possible",
                          "write a space as %20, and other letters likewise");
    }
    if (n < 2) {
        return refuse_url(error, text, "the file is missing", form);
    }
    if (*at == '#' && !read_stated_hash(url, at + 1)) {
        return refuse_url(error, text, "behind # there is no whole SHA-256", "write #sha256= and its 64 digits");
    }
    return KG_OK;
}

bool kg_url_beside(const struct kg_url *url, size_t cut, const char *end, struct kg_url *to)
{
    size_t n = 0, more = kg_strlen(end);
    *to = *url;
    to->stated = false;
    while (to->path[n] && to->path[n] != '?') {
        n++;
    }
    if (n <= cut || n - cut + more > KG_URL_MOST) {
        return false;
    }
    memcpy(to->path + n - cut, end, more + 1);
    return true;
}
