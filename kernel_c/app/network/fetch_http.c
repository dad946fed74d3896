/* One file by HTTP: see fetch.h. */
#include "fetch.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define CONNECT_MS 10000u
#define SILENT_MS 15000u /* without a byte: the connection is given up */
#define PIECE 65536u     /* bytes of a read, between two looks at the console */
#define FAILURES 8u      /* in a row: the last pauses have 8 s */
#define FIRST_PAUSE_MS 250u
#define DOUBLED_MOST 5u
#define PROGRESS 65536u /* bytes of a connection that count as none of these failures */

/* The connection cannot be used; why is in fetch->problem. */
static enum kg_http_got break_off(struct kg_fetch *fetch, const char *problem)
{
    kg_fetch_fail(fetch, problem ? problem : "the server has closed the connection");
    return KG_HTTP_GOT_LATER;
}

static uint64_t fetch_now(const struct kg_fetch *fetch)
{
    return fetch->dial->now_ms(fetch->dial->context);
}

/* KG_HTTP_GOT_MORE: the connection is open. */
static enum kg_http_got connect_to_server(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    const char *problem = NULL;
    uint64_t until = fetch_now(fetch) + CONNECT_MS;
    enum kg_dial_state state;
    dial->connect(dial->context, fetch->address, fetch->url->port);
    while ((state = dial->state(dial->context, &problem)) == KG_DIAL_RUNS) {
        if (!kg_fetch_wait(fetch)) {
            return break_off(fetch, "stopped");
        }
        if (fetch_now(fetch) >= until) {
            return break_off(fetch, "the server does not answer");
        }
    }
    return state == KG_DIAL_FAILED ? break_off(fetch, problem) : KG_HTTP_GOT_MORE;
}

/* The same. The request is shorter than any buffer for sending. */
static enum kg_http_got send_get(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    struct kg_http_out out = {.data = fetch->head, .size = sizeof fetch->head};
    size_t sent = 0;
    const char *problem = NULL;
    if (!kg_http_get_ask(&fetch->http, &out)) {
        kg_fetch_fail(fetch, "the address is too long");
        return KG_HTTP_GOT_REFUSED;
    }
    while (sent < out.n) {
        sent += dial->write(dial->context, out.data + sent, out.n - sent);
        if (dial->state(dial->context, &problem) == KG_DIAL_FAILED) {
            return break_off(fetch, problem);
        }
        if (sent < out.n && !kg_fetch_wait(fetch)) {
            return break_off(fetch, "stopped");
        }
    }
    return KG_HTTP_GOT_MORE;
}

/* Bytes that came, at most `room`. 0: nothing comes any more, and fetch->problem says why, or it shall stop. */
static size_t await_bytes(struct kg_fetch *fetch, void *to, size_t room)
{
    const struct kg_dial *dial = fetch->dial;
    uint64_t until = fetch_now(fetch) + SILENT_MS;
    for (;;) {
        const char *problem = NULL;
        size_t n = dial->read(dial->context, to, room);
        enum kg_dial_state state = n ? KG_DIAL_OPEN : dial->state(dial->context, &problem);
        if (n) {
            return n;
        }
        if (state == KG_DIAL_ENDED || state == KG_DIAL_FAILED) {
            n = dial->read(dial->context, to, room); /* what came between the two looks */
            if (!n) {
                break_off(fetch, state == KG_DIAL_FAILED ? problem : NULL);
            }
            return n;
        }
        if (!kg_fetch_wait(fetch) || fetch_now(fetch) >= until) {
            break_off(fetch, "the server is silent");
            return 0;
        }
    }
}

/* Reads the head, and holds what came of the body with it. */
static enum kg_http_got read_answer_head(struct kg_fetch *fetch)
{
    size_t n = 0;
    for (;;) {
        size_t got = await_bytes(fetch, fetch->head + n, sizeof fetch->head - n);
        if (!got) {
            return KG_HTTP_GOT_LATER;
        }
        n += got;
        enum kg_http_got what =
            kg_http_get_head(&fetch->http, fetch->head, n, &fetch->held_at, fetch->problem, sizeof fetch->problem);
        fetch->held = n - fetch->held_at;
        if (what == KG_HTTP_GOT_MORE && n == sizeof fetch->head) {
            kg_fetch_fail(fetch, "the head is too long");
            return KG_HTTP_GOT_REFUSED;
        }
        if (what != KG_HTTP_GOT_MORE) {
            return what;
        }
    }
}

/* A pause before the next connection, longer after each failure. False: it shall stop, or there were too many. */
static bool pause_before_next(struct kg_fetch *fetch)
{
    if (fetch->done - fetch->begun >= PROGRESS) {
        fetch->failures = 0;
    }
    uint32_t doubled = fetch->failures < DOUBLED_MOST ? fetch->failures : DOUBLED_MOST;
    uint32_t ms = FIRST_PAUSE_MS << doubled;
    if (fetch->stopped(fetch->context) || ++fetch->failures >= FAILURES) {
        return false;
    }
    fetch->again(fetch->context, fetch->problem, ms);
    uint64_t until = fetch_now(fetch) + ms;
    while (fetch_now(fetch) < until) {
        if (!kg_fetch_wait(fetch)) {
            return false;
        }
    }
    return true;
}

/* Connects, and asks for what is missing, until a body comes. */
static enum kg_fetch_end ask_for_rest(struct kg_fetch *fetch)
{
    for (;;) {
        fetch->begun = fetch->done;
        fetch->held = 0;
        enum kg_http_got got = connect_to_server(fetch);
        got = got == KG_HTTP_GOT_MORE ? send_get(fetch) : got;
        got = got == KG_HTTP_GOT_MORE ? read_answer_head(fetch) : got;
        switch (got) {
        case KG_HTTP_GOT_BODY: return KG_FETCH_GOOD;
        case KG_HTTP_GOT_NONE: return KG_FETCH_NONE;
        case KG_HTTP_GOT_ANOTHER: return KG_FETCH_ANOTHER;
        case KG_HTTP_GOT_REFUSED: return KG_FETCH_FAILED;
        default: break;
        }
        fetch->dial->close(fetch->dial->context);
        if (!pause_before_next(fetch)) {
            return fetch->stopped(fetch->context) ? KG_FETCH_STOPPED : KG_FETCH_FAILED;
        }
    }
}

enum kg_fetch_end kg_fetch_http_open(struct kg_fetch *fetch)
{
    kg_http_get_begin(&fetch->http, fetch->url);
    fetch->failures = 0;
    enum kg_fetch_end end = ask_for_rest(fetch);
    fetch->size = fetch->http.size;
    return end;
}

/* Reads a piece to its place. What the caller has already goes to the place of the head. False: the connection broke.
 */
static bool read_body_piece(struct kg_fetch *fetch, uint8_t *to)
{
    struct kg_http_get *get = &fetch->http;
    uint64_t most = get->skip ? (get->skip < sizeof fetch->head ? get->skip : sizeof fetch->head)
                              : (get->left < PIECE ? get->left : PIECE);
    uint8_t *place = get->skip ? (uint8_t *)fetch->head : to + get->done;
    size_t n = fetch->held < most ? fetch->held : (size_t)most;
    if (n && !get->skip) {
        memcpy(place, fetch->head + fetch->held_at, n);
    }
    fetch->held -= n;
    fetch->held_at += n;
    if (!n) {
        n = await_bytes(fetch, place, (size_t)most);
    }
    kg_http_get_body(get, n);
    fetch->done = get->done;
    return n > 0;
}

enum kg_fetch_end kg_fetch_http_read(struct kg_fetch *fetch, uint8_t *to)
{
    struct kg_http_get *get = &fetch->http;
    while (get->done < get->size) {
        if (get->left && read_body_piece(fetch, to)) {
            fetch->work(fetch->context);
            if (fetch->stopped(fetch->context)) {
                return KG_FETCH_STOPPED;
            }
            continue;
        }
        fetch->dial->close(fetch->dial->context);
        if (!pause_before_next(fetch)) {
            return fetch->stopped(fetch->context) ? KG_FETCH_STOPPED : KG_FETCH_FAILED;
        }
        enum kg_fetch_end end = ask_for_rest(fetch);
        if (end != KG_FETCH_GOOD) {
            return end == KG_FETCH_NONE ? KG_FETCH_ANOTHER : end;
        }
    }
    return KG_FETCH_GOOD;
}
