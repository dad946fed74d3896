/* The tables of connections and of TIME-WAIT: see tcp.h. */
#include "tcp.h"

#include "kgpt/mem.h"

#define INITIAL_RTO 1000u
#define ALIVE_MS 75000u
#define INITIAL_SEGMENTS 10u /* RFC 6928 */

static bool same_peer(const struct kg_tcp_peer *a, const struct kg_tcp_peer *b)
{
    return a->address == b->address && a->port == b->port && a->local_port == b->local_port;
}

struct kg_tcp_connection *kg_tcp_find(struct kg_tcp *tcp, const struct kg_tcp_peer *peer)
{
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        struct kg_tcp_connection *c = &tcp->connections[i];
        if (kg_tcp_is_live(c) && same_peer(&c->peer, peer)) {
            return c;
        }
    }
    return NULL;
}

void kg_tcp_free(struct kg_tcp_connection *c)
{
    struct kg_tcp_ring sent = {.bytes = c->sent.bytes, .size = c->sent.size};
    struct kg_tcp_ring received = {.bytes = c->received.bytes, .size = c->received.size};
    bool client = c->client;
    memset(c, 0, sizeof *c);
    c->sent = sent;
    c->received = received;
    c->client = client;
}

struct kg_tcp_connection *kg_tcp_new(struct kg_tcp *tcp, const struct kg_tcp_peer *peer, bool client)
{
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        struct kg_tcp_connection *c = &tcp->connections[i];
        if (c->state == KG_TCP_FREE && c->client == client) {
            kg_tcp_free(c);
            c->peer = *peer;
            c->rto = INITIAL_RTO;
            c->mss = KG_TCP_MSS_DEFAULT;
            c->heard = tcp->ip->now;
            return c;
        }
    }
    return NULL;
}

void kg_tcp_lose(struct kg_tcp *tcp, struct kg_tcp_connection *c, const char *problem)
{
    tcp->ip->counters.tcp_lost++;
    if (!c->held) {
        kg_tcp_free(c);
        return;
    }
    c->state = KG_TCP_LOST;
    c->problem = problem;
}

void kg_tcp_establish(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    c->state = KG_TCP_ESTABLISHED;
    c->cwnd = INITIAL_SEGMENTS * c->mss;
    c->ssthresh = UINT32_MAX / 2;
    c->recover = c->snd_una - 1;
    c->alive_at = tcp->ip->now + ALIVE_MS;
    c->retransmit_at = 0;
    c->tries = 0;
    c->backoff = 0;
    tcp->ip->counters.tcp_opened++;
}

void kg_tcp_take_options(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_options *options)
{
    uint16_t mss = options->mss ? options->mss : KG_TCP_MSS_DEFAULT;
    mss = mss < KG_TCP_MSS_LEAST ? KG_TCP_MSS_LEAST : mss;
    c->mss = (uint16_t)kg_min32(mss, kg_tcp_link_mss(tcp->ip, c->peer.address));
    c->may_sack = options->may_sack;
    c->snd_scale = options->has_scale ? options->scale : 0;
    c->rcv_scale = 0;
    while (options->has_scale && c->received.size >> c->rcv_scale > 65535) {
        c->rcv_scale++;
    }
}

struct kg_tcp_waiting *kg_tcp_find_waiting(struct kg_tcp *tcp, const struct kg_tcp_peer *peer)
{
    for (uint32_t i = 0; i < tcp->n_waiting; i++) {
        struct kg_tcp_waiting *waiting = &tcp->waiting[i];
        if (waiting->peer.port && tcp->ip->now < waiting->until && same_peer(&waiting->peer, peer)) {
            return waiting;
        }
    }
    return NULL;
}

void kg_tcp_done(struct kg_tcp_connection *c)
{
    if (!c->held) {
        kg_tcp_free(c);
        return;
    }
    c->state = KG_TCP_DONE;
    c->retransmit_at = c->delayed_at = c->persist_at = c->alive_at = c->end_at = 0;
}

/* In a free place, otherwise in that of the oldest. */
void kg_tcp_wait(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    struct kg_tcp_waiting *place = &tcp->waiting[0];
    for (uint32_t i = 0; i < tcp->n_waiting; i++) {
        if (tcp->waiting[i].until < place->until) {
            place = &tcp->waiting[i];
        }
    }
    *place = (struct kg_tcp_waiting){c->peer, c->snd_max, c->rcv_nxt, tcp->ip->now + KG_TCP_WAIT_MS};
    kg_tcp_done(c);
}

bool kg_tcp_listens(const struct kg_tcp *tcp, uint16_t port)
{
    for (uint32_t i = 0; i < KG_TCP_LISTENERS; i++) {
        if (port && tcp->listeners[i] == port) {
            return true;
        }
    }
    return false;
}
