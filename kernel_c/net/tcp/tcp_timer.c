/* Timers: retransmission, delayed ACK, zero window, keep-alive, and the ends of connections that nobody holds. */
#include "tcp.h"

#define TRIES 9u     /* of a segment: about 100 seconds (RFC 9293, R2) */
#define SYN_TRIES 7u /* about three minutes (RFC 9293, MUST-23) */
#define DOUBTS 2u    /* time-outs after which the neighbour may have moved */
#define BACKOFF_MOST_MS 60000u
#define ALIVE_MS 75000u
#define ALIVE_AGAIN_MS 15000u
#define ALIVE_PROBES 4u

static uint64_t backed_off(const struct kg_tcp_connection *c, uint32_t n)
{
    uint64_t ms = (uint64_t)c->rto << (n < 16 ? n : 16);
    return ms < BACKOFF_MOST_MS ? ms : BACKOFF_MOST_MS;
}

static void give_up_connection(struct kg_tcp *tcp, struct kg_tcp_connection *c, const char *problem)
{
    if (c->state >= KG_TCP_ESTABLISHED) {
        kg_tcp_send_reset(tcp, c);
    }
    kg_tcp_lose(tcp, c, c->problem ? c->problem : problem);
}

static void retransmission_timer(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    bool opening = c->state == KG_TCP_SYN_SENT || c->state == KG_TCP_SYN_RECEIVED;
    tcp->ip->counters.tcp_timeouts++;
    if (c->tries >= (opening ? SYN_TRIES : TRIES)) {
        give_up_connection(tcp, c, "the peer does not answer");
        return;
    }
    if (c->tries >= DOUBTS) {
        kg_arp_doubt(tcp->ip, c->peer.address);
    }
    if (opening && !kg_tcp_send_syn(tcp, c)) {
        return; /* the link took none: with the next poll */
    }
    if (!opening) {
        kg_tcp_timed_out(c);
    }
    c->tries++;
    c->backoff++;
    c->retransmit_at = tcp->ip->now + backed_off(c, c->backoff);
    if (opening) {
        return;
    }
    kg_tcp_output(tcp, c);
    if (c->snd_wnd == 0) { /* the window was closed again over what is in flight */
        kg_tcp_probe(tcp, c);
    }
}

/* The peer's window takes nothing, or too little to be worth a segment. */
static void persist_timer(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (c->probes >= TRIES && tcp->ip->now - c->heard > backed_off(c, TRIES)) {
        give_up_connection(tcp, c, "the peer does not answer");
        return;
    }
    if (c->snd_wnd == 0 && !kg_tcp_probe(tcp, c)) {
        c->persist_at = tcp->ip->now + KG_TCP_LINK_FULL_MS;
        return;
    }
    c->probes++;
    c->persist_at = tcp->ip->now + backed_off(c, c->probes);
    if (c->snd_wnd) {
        kg_tcp_force(tcp, c);
    }
}

static void alive_timer(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    uint64_t now = tcp->ip->now, quiet = now - c->heard;
    if (quiet < ALIVE_MS) {
        c->alive_at = c->heard + ALIVE_MS;
        return;
    }
    c->alive_at = now + ALIVE_AGAIN_MS;
    if (c->snd_una != c->snd_max) {
        return; /* the retransmission timer has its own bound */
    }
    if (quiet >= ALIVE_MS + ALIVE_PROBES * ALIVE_AGAIN_MS) {
        give_up_connection(tcp, c, "the peer is gone");
        return;
    }
    if (!kg_tcp_probe(tcp, c)) {
        c->alive_at = now + KG_TCP_LINK_FULL_MS;
    }
}

static bool is_due(uint64_t at, uint64_t now)
{
    return at && at <= now;
}

static void poll_connection(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    uint64_t now = tcp->ip->now;
    if (is_due(c->end_at, now)) {
        give_up_connection(tcp, c, "it was closed");
        return;
    }
    if (is_due(c->retransmit_at, now)) {
        retransmission_timer(tcp, c);
    } else if (is_due(c->persist_at, now)) {
        persist_timer(tcp, c);
    }
    if (kg_tcp_is_live(c) && is_due(c->alive_at, now)) {
        alive_timer(tcp, c);
    }
    if (!kg_tcp_is_live(c)) {
        return;
    }
    c->ack_now = c->ack_now || is_due(c->delayed_at, now);
    if (c->state >= KG_TCP_ESTABLISHED) {
        kg_tcp_output(tcp, c);
    }
}

void kg_tcp_poll(struct kg_tcp *tcp)
{
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        if (kg_tcp_is_live(&tcp->connections[i])) {
            poll_connection(tcp, &tcp->connections[i]);
        }
    }
    kg_tcp_poll_half(tcp);
}

static uint64_t first_of(uint64_t a, uint64_t timer)
{
    return timer && timer < a ? timer : a;
}

uint64_t kg_tcp_next(const struct kg_tcp *tcp)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        const struct kg_tcp_connection *c = &tcp->connections[i];
        if (kg_tcp_is_live(c)) {
            next = first_of(first_of(first_of(next, c->retransmit_at), c->delayed_at), c->persist_at);
            next = first_of(first_of(next, c->alive_at), c->end_at);
        }
    }
    for (uint32_t i = 0; i < tcp->n_half; i++) {
        next = tcp->half[i].peer.port ? first_of(next, tcp->half[i].at) : next;
    }
    return next;
}
