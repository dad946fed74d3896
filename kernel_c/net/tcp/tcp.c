/* Connections as applications use them: see tcp.h. */
#include "tcp.h"

#define PORT_FIRST 49152u
#define PORTS 16384u

bool kg_tcp_listen(struct kg_tcp *tcp, uint16_t port)
{
    for (uint32_t i = 0; i < KG_TCP_LISTENERS; i++) {
        if (tcp->listeners[i] == 0 || tcp->listeners[i] == port) {
            tcp->listeners[i] = port;
            return true;
        }
    }
    return false;
}

struct kg_tcp_connection *kg_tcp_accept(struct kg_tcp *tcp, uint16_t port)
{
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        struct kg_tcp_connection *c = &tcp->connections[i];
        if (kg_tcp_is_live(c) && !c->client && !c->accepted && c->peer.local_port == port) {
            c->accepted = true;
            c->held = true;
            return c;
        }
    }
    return NULL;
}

/* RFC 6056: a random port that no connection to this peer uses. 0: none is free. */
static uint16_t free_port(struct kg_tcp *tcp, uint32_t to, uint16_t port)
{
    uint32_t first = kg_ip_random(tcp->ip);
    for (uint32_t i = 0; i < PORTS; i++) {
        struct kg_tcp_peer peer = {to, port, (uint16_t)(PORT_FIRST + (first + i) % PORTS)};
        if (!kg_tcp_find(tcp, &peer) && !kg_tcp_find_waiting(tcp, &peer) && !kg_tcp_listens(tcp, peer.local_port)) {
            return peer.local_port;
        }
    }
    return 0;
}

struct kg_tcp_connection *kg_tcp_connect(struct kg_tcp *tcp, uint32_t to, uint16_t port)
{
    struct kg_tcp_peer peer = {to, port, free_port(tcp, to, port)};
    struct kg_tcp_connection *c = peer.local_port ? kg_tcp_new(tcp, &peer, true) : NULL;
    if (c) {
        c->state = KG_TCP_SYN_SENT;
        c->held = c->accepted = true;
        c->iss = c->snd_una = kg_tcp_isn(tcp->ip, &peer);
        c->timed_at = tcp->ip->now;
        kg_tcp_send_syn(tcp, c);
    }
    return c;
}

size_t kg_tcp_take(struct kg_tcp *tcp, struct kg_tcp_connection *c, void *to, size_t room)
{
    uint32_t n = room < c->received.n ? (uint32_t)room : c->received.n;
    if (n == 0 || c->state == KG_TCP_LOST) {
        return 0;
    }
    kg_tcp_ring_read(&c->received, 0, to, n);
    c->received.start = (uint32_t)(((uint64_t)c->received.start + n) % c->received.size);
    c->received.n -= n;
    /* The window opens again: the peer is told when it pays. */
    uint32_t now = c->rcv_adv - c->rcv_nxt, then = kg_tcp_window(c);
    bool pays = then > now && (now < 2u * c->mss || then - now >= c->received.size / 2);
    if (pays && !c->fin_came && c->state >= KG_TCP_ESTABLISHED && c->state <= KG_TCP_FIN_WAIT_2) {
        kg_tcp_send_ack(tcp, c);
    }
    return n;
}

size_t kg_tcp_give(struct kg_tcp *tcp, struct kg_tcp_connection *c, const void *from, size_t n)
{
    uint32_t room = c->sent.size - c->sent.n, taken = n < room ? (uint32_t)n : room;
    if (taken == 0 || c->fin_wanted || !(c->state == KG_TCP_ESTABLISHED || c->state == KG_TCP_CLOSE_WAIT)) {
        return 0;
    }
    kg_tcp_ring_write(&c->sent, c->sent.n, from, taken);
    c->sent.n += taken;
    /* Whole segments go at once; the rest with the next poll, together with what is written until then. */
    if (c->snd_una + c->sent.n - c->snd_nxt >= c->mss) {
        kg_tcp_output(tcp, c);
    }
    return taken;
}

void kg_tcp_shut(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (c->fin_wanted || !(c->state == KG_TCP_ESTABLISHED || c->state == KG_TCP_CLOSE_WAIT)) {
        return;
    }
    c->fin_wanted = true;
    c->state = c->state == KG_TCP_ESTABLISHED ? KG_TCP_FIN_WAIT_1 : KG_TCP_LAST_ACK;
    kg_tcp_output(tcp, c);
}

void kg_tcp_close(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (!kg_tcp_is_live(c) || c->state < KG_TCP_ESTABLISHED) {
        kg_tcp_free(c);
        return;
    }
    c->held = false;
    c->received.start = (uint32_t)(((uint64_t)c->received.start + c->received.n) % c->received.size);
    c->received.n = 0;
    c->end_at = tcp->ip->now + KG_TCP_ORPHAN_MS;
    c->last_end_at = tcp->ip->now + KG_TCP_ORPHAN_MOST_MS;
    kg_tcp_shut(tcp, c);
}

void kg_tcp_reset(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (kg_tcp_is_live(c) && c->state != KG_TCP_SYN_SENT) {
        kg_tcp_send_reset(tcp, c);
    }
    kg_tcp_free(c);
}

void kg_tcp_lose_all(struct kg_tcp *tcp, const char *problem)
{
    for (uint32_t i = 0; i < tcp->n_connections; i++) {
        if (kg_tcp_is_live(&tcp->connections[i])) {
            kg_tcp_lose(tcp, &tcp->connections[i], problem);
        }
    }
    for (uint32_t i = 0; i < tcp->n_half; i++) {
        tcp->half[i].peer.port = 0;
    }
}
