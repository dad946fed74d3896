/* One file of a server: see fetch.h. */
#include "fetch.h"

#include "kgpt/net.h"

/* The host's name becomes its address. */
static enum kg_fetch_end find_host(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    enum kg_dial_state state;
    const char *problem = NULL;
    if (kg_net_read_address(fetch->url->host, &fetch->address)) {
        return KG_FETCH_GOOD;
    }
    dial->resolve(dial->context, fetch->url->host);
    while ((state = dial->resolved(dial->context, &fetch->address, &problem)) == KG_DIAL_RUNS) {
        if (!kg_fetch_wait(fetch)) {
            return KG_FETCH_STOPPED;
        }
    }
    return state == KG_DIAL_OPEN ? KG_FETCH_GOOD : kg_fetch_fail(fetch, problem);
}

enum kg_fetch_end kg_fetch_open(struct kg_fetch *fetch)
{
    fetch->size = fetch->done = fetch->held = 0;
    fetch->problem[0] = '\0';
    enum kg_fetch_end end = find_host(fetch);
    if (end != KG_FETCH_GOOD) {
        return end;
    }
    return fetch->url->scheme == KG_URL_HTTP ? kg_fetch_http_open(fetch) : kg_fetch_tftp_open(fetch);
}

enum kg_fetch_end kg_fetch_read(struct kg_fetch *fetch, uint8_t *to)
{
    return fetch->url->scheme == KG_URL_HTTP ? kg_fetch_http_read(fetch, to) : kg_fetch_tftp_read(fetch, to);
}

void kg_fetch_close(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    if (fetch->url->scheme == KG_URL_HTTP) {
        dial->close(dial->context);
    } else {
        kg_tftp_stop(&fetch->tftp);
        if (fetch->tftp.sends) {
            dial->send(dial->context, fetch->address, fetch->tftp.peer, fetch->tftp.out, fetch->tftp.n_out);
        }
        dial->close_port(dial->context);
    }
}
