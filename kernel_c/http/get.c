/* One file by HTTP: see kgpt/http_get.h. */
#include "kgpt/http_get.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define HTTP_PORT 80u

void kg_http_get_begin(struct kg_http_get *get, const struct kg_url *url)
{
    *get = (struct kg_http_get){.url = url};
}

bool kg_http_get_ask(const struct kg_http_get *get, struct kg_http_out *out)
{
    const struct kg_url *url = get->url;
    kg_http_say(out, "GET %s HTTP/1.1\r\nHost: %s", url->path, url->host);
    if (url->port != HTTP_PORT) {
        kg_http_say(out, ":%u", url->port);
    }
    kg_http_say(out, "\r\nUser-Agent: kgpt\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
    if (get->done) {
        kg_http_say(out, "Range: bytes=%llu-\r\n", (unsigned long long)get->done);
    }
    if (get->done && get->tag[0]) {
        kg_http_say(out, "If-Range: %s\r\n", get->tag);
    }
    kg_http_say(out, "\r\n");
    return !out->full;
}

/* What tells two versions of the file apart. A weak tag (W/"…") does not. */
static struct kg_text version_of(const struct kg_http_response *response)
{
    struct kg_text tag = kg_http_field(&response->head, "etag");
    if (tag.n < 2 || tag.data[0] != '"' || tag.n >= KG_HTTP_TAG) {
        tag = kg_http_field(&response->head, "last-modified");
    }
    return tag.n < KG_HTTP_TAG ? tag : (struct kg_text){NULL, 0};
}

static bool is_same_version(const struct kg_http_get *get, const struct kg_http_response *response)
{
    struct kg_text tag = version_of(response);
    size_t n = kg_strlen(get->tag);
    return n == 0 || tag.n == 0 || (tag.n == n && memcmp(tag.data, get->tag, n) == 0);
}

/* The whole file comes. What the caller has of it is skipped: some servers give no ranges. */
static enum kg_http_got take_whole(struct kg_http_get *get, const struct kg_http_response *response)
{
    uint64_t size = response->head.content_size;
    if (get->known && (size != get->size || !is_same_version(get, response))) {
        return KG_HTTP_GOT_ANOTHER;
    }
    if (!get->known) {
        struct kg_text tag = version_of(response);
        memcpy(get->tag, tag.data ? tag.data : "", tag.n);
        get->tag[tag.n] = '\0';
        get->size = size;
        get->known = true;
    }
    get->left = size;
    get->skip = get->done;
    return KG_HTTP_GOT_BODY;
}

static enum kg_http_got refuse_got(char *problem, size_t size, const char *why)
{
    kg_format(problem, size, "%s", why);
    return KG_HTTP_GOT_REFUSED;
}

/* The part that was asked for comes, or the server lies. */
static enum kg_http_got take_part(struct kg_http_get *get, const struct kg_http_response *response, char *problem,
                                  size_t size)
{
    if (!get->known || !get->done || !response->has_range || response->first != get->done ||
        response->head.content_size != response->last - response->first + 1) {
        return refuse_got(problem, size, "the server sends another part of the file than was asked for");
    }
    if ((response->total && response->total != get->size) || response->last >= get->size ||
        !is_same_version(get, response)) {
        return KG_HTTP_GOT_ANOTHER;
    }
    get->left = response->head.content_size;
    get->skip = 0;
    return KG_HTTP_GOT_BODY;
}

static enum kg_http_got refuse_status(const struct kg_http_response *response, char *problem, size_t size)
{
    struct kg_text to = kg_http_field(&response->head, "location");
    if (response->status >= 300 && response->status < 400 && to.n) {
        kg_format(problem, size, "the server redirects to %.*s (%u): give that address, if it is http://",
                  (int)(to.n < 120 ? to.n : 120), to.data, response->status);
    } else {
        kg_format(problem, size, "the server answers with status %u", response->status);
    }
    return KG_HTTP_GOT_REFUSED;
}

enum kg_http_got kg_http_get_head(struct kg_http_get *get, const char *bytes, size_t n, size_t *used, char *problem,
                                  size_t size)
{
    struct kg_http_response response;
    const char *wrong;
    *used = 0;
    do { /* answers of 1xx come before the one that counts */
        uint32_t read = kg_http_read_response(&response, bytes + *used, n - *used, &wrong);
        if (read != KG_HTTP_WHOLE) {
            return read ? refuse_got(problem, size, wrong) : KG_HTTP_GOT_MORE;
        }
        *used += response.head.n;
    } while (response.status < 200 && response.status != 101);
    struct kg_text coding = kg_http_field(&response.head, "content-encoding");
    bool whole = response.status == 200, part = response.status == 206;
    if (response.status == 404 || response.status == 410) {
        return KG_HTTP_GOT_NONE;
    }
    if (response.status == 408 || response.status == 429 || (response.status >= 500 && response.status <= 504)) {
        kg_format(problem, size, "the server answers with status %u", response.status);
        return KG_HTTP_GOT_LATER;
    }
    if (response.status == 416 && get->done) {
        return KG_HTTP_GOT_ANOTHER; /* it is shorter than what we have */
    }
    if (!whole && !part) {
        return refuse_status(&response, problem, size);
    }
    if (!response.has_size) {
        return refuse_got(problem, size, "the server does not tell the size (Content-Length)");
    }
    if (coding.n && !kg_http_same(coding, "identity")) {
        return refuse_got(problem, size, "the server sends the file compressed (Content-Encoding)");
    }
    return whole ? take_whole(get, &response) : take_part(get, &response, problem, size);
}

size_t kg_http_get_body(struct kg_http_get *get, size_t n)
{
    size_t had = n < get->skip ? n : (size_t)get->skip;
    get->left -= n;
    get->skip -= had;
    get->done += n - had;
    return had;
}
