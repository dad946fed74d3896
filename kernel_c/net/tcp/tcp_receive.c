/* Takes the data of segments: see tcp.h. Bytes that come early lie in the ring at their places, and a bounded list of
 * ranges says which they are. */
#include "tcp.h"

#define DELAY_MS 40u

/* Ranges that now follow what was received belong to it. */
static void join_early(struct kg_tcp_connection *c)
{
    for (uint32_t i = 0; i < c->n_early && !kg_seq_less(c->rcv_nxt, c->early[i].start); i++) {
        if (kg_seq_less(c->rcv_nxt, c->early[i].end)) {
            c->received.n += c->early[i].end - c->rcv_nxt;
            c->rcv_nxt = c->early[i].end;
        }
    }
    kg_tcp_ranges_cut(c->early, &c->n_early, c->rcv_nxt);
}

static void take_data(struct kg_tcp *tcp, struct kg_tcp_connection *c, uint32_t seq, const uint8_t *data, uint32_t n)
{
    if (kg_seq_less(seq, c->rcv_nxt)) { /* its beginning is known */
        uint32_t known = c->rcv_nxt - seq;
        c->ack_now = true;
        if (known >= n) {
            return;
        }
        seq += known;
        data += known;
        n -= known;
    }
    uint32_t offset = seq - c->rcv_nxt, room = c->rcv_adv - c->rcv_nxt;
    room = kg_min32(room, c->received.size - c->received.n);
    if (offset >= room) {
        c->ack_now = true;
        return;
    }
    n = kg_min32(n, room - offset);
    if (offset) {
        tcp->ip->counters.tcp_out_of_order++;
        c->ack_now = true;
        struct kg_tcp_range range = {seq, seq + n};
        if (kg_tcp_ranges_add(c->early, &c->n_early, KG_TCP_EARLY, range) == KG_TCP_FULL) { /* it has to come again */
            tcp->ip->counters.tcp_ranges_full++;
            return;
        }
        c->newest_early = seq;
        kg_tcp_ring_write(&c->received, c->received.n + offset, data, n);
        return;
    }
    kg_tcp_ring_write(&c->received, c->received.n, data, n);
    c->most_segment = n > c->most_segment ? n : c->most_segment;
    c->received.n += n;
    c->rcv_nxt += n;
    c->unacked += n;
    c->ack_now = c->ack_now || c->n_early || c->unacked >= 2u * c->most_segment;
    join_early(c);
    if (!c->ack_now && c->delayed_at == 0) {
        c->delayed_at = tcp->ip->now + DELAY_MS;
    }
}

/* Nobody reads any more: the bytes are dropped, and acknowledged, so that the peer reads our last bytes. */
static void drop_received(struct kg_tcp_connection *c)
{
    if (!c->held && c->accepted) {
        c->received.start = (c->received.start + c->received.n) % c->received.size;
        c->received.n = 0;
    }
}

static void take_fin(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    c->rcv_nxt++;
    c->rcv_adv = kg_seq_less(c->rcv_adv, c->rcv_nxt) ? c->rcv_nxt : c->rcv_adv;
    c->ack_now = true;
    switch (c->state) {
    case KG_TCP_ESTABLISHED: c->state = KG_TCP_CLOSE_WAIT; break;
    case KG_TCP_FIN_WAIT_1: c->state = KG_TCP_CLOSING; break;
    case KG_TCP_FIN_WAIT_2:
        kg_tcp_send_ack(tcp, c);
        kg_tcp_wait(tcp, c);
        break;
    default: break;
    }
}

void kg_tcp_receive(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    bool open = c->state == KG_TCP_ESTABLISHED || c->state == KG_TCP_FIN_WAIT_1 || c->state == KG_TCP_FIN_WAIT_2;
    uint32_t end = segment->seq + segment->n;
    if (!open) { /* the peer's FIN was taken: this is a retransmission */
        c->ack_now = c->ack_now || segment->n || (segment->flags & KG_TCP_FIN);
        return;
    }
    if (c->fin_came && kg_seq_less(c->fin_seq, end)) {
        return; /* bytes behind the FIN */
    }
    if (segment->n) {
        take_data(tcp, c, segment->seq, segment->data, segment->n);
        drop_received(c);
    }
    if ((segment->flags & KG_TCP_FIN) && !c->fin_came && !kg_seq_less(end, c->rcv_nxt)) {
        c->fin_came = true;
        c->fin_seq = end;
        c->ack_now = true;
    }
    if (c->fin_came && c->rcv_nxt == c->fin_seq) {
        take_fin(tcp, c);
    }
}
