/* One file by TFTP: see fetch.h. */
#include "fetch.h"

#define AT_ONCE 32u /* datagrams, between two looks at the console */

/* Takes what has come, and sends what is due. True: something has come. */
static bool exchange_packets(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    struct kg_tftp *t = &fetch->tftp;
    uint32_t n = 0;
    size_t size;
    uint32_t from;
    uint16_t port;
    while (n < AT_ONCE && (size = dial->receive(dial->context, &from, &port, fetch->head, sizeof fetch->head)) > 0) {
        n++;
        if (from == fetch->address) {
            kg_tftp_input(t, port, (const uint8_t *)fetch->head, size, dial->now_ms(dial->context));
        }
        if (t->sends) {
            t->sends = false;
            dial->send(dial->context, fetch->address, t->peer ? t->peer : fetch->url->port, t->out, t->n_out);
        }
    }
    kg_tftp_poll(t, dial->now_ms(dial->context));
    if (t->sends) {
        t->sends = false;
        dial->send(dial->context, fetch->address, t->peer ? t->peer : fetch->url->port, t->out, t->n_out);
    }
    fetch->done = t->done;
    return n > 0;
}

static enum kg_fetch_end run_transfer(struct kg_fetch *fetch, enum kg_tftp_state while_state)
{
    struct kg_tftp *t = &fetch->tftp;
    while (t->state == while_state) {
        bool came = exchange_packets(fetch);
        if (t->state != while_state) {
            break;
        }
        if (came ? fetch->stopped(fetch->context) : !kg_fetch_wait(fetch)) {
            return KG_FETCH_STOPPED;
        }
    }
    return t->state == KG_TFTP_NONE     ? KG_FETCH_NONE
           : t->state == KG_TFTP_FAILED ? kg_fetch_fail(fetch, t->problem)
                                        : KG_FETCH_GOOD;
}

enum kg_fetch_end kg_fetch_tftp_open(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    char file[KG_URL_MOST + 1];
    struct kg_text path = {fetch->url->path + 1, kg_strlen(fetch->url->path + 1)}; /* RFC 3617: without the slash */
    file[kg_http_unescape(path, file, sizeof file - 1)] = '\0';
    bool fits = kg_tftp_begin(&fetch->tftp, file, dial->now_ms(dial->context));
    if (!dial->open_port(dial->context)) {
        return kg_fetch_fail(fetch, "no port is free");
    }
    if (!fits) {
        return kg_fetch_fail(fetch, "the name of the file is too long for TFTP");
    }
    enum kg_fetch_end end = run_transfer(fetch, KG_TFTP_ASKED);
    fetch->size = fetch->tftp.size;
    return end;
}

enum kg_fetch_end kg_fetch_tftp_read(struct kg_fetch *fetch, uint8_t *to)
{
    kg_tftp_take(&fetch->tftp, to, fetch->dial->now_ms(fetch->dial->context));
    return run_transfer(fetch, KG_TFTP_COMES);
}
