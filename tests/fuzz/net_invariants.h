/* What holds of a network stack between any two frames. */
#ifndef KGPT_NET_INVARIANTS_H
#define KGPT_NET_INVARIANTS_H

#include "net/net_state.h"
#include "promise.h"

UNWATCHED static inline void check_ranges(const struct kg_tcp_range *ranges, uint32_t n, uint32_t from, uint32_t to)
{
    uint32_t last = from;
    for (uint32_t i = 0; i < n; i++) {
        promise(kg_seq_less(last, ranges[i].start) || (i == 0 && last == ranges[i].start));
        promise(kg_seq_less(ranges[i].start, ranges[i].end));
        last = ranges[i].end;
    }
    promise(n == 0 || !kg_seq_less(to, last));
}

UNWATCHED static inline void check_connection(const struct kg_tcp_connection *c)
{
    promise(c->sent.n <= c->sent.size && c->received.n <= c->received.size);
    promise(c->sent.start < c->sent.size && c->received.start < c->received.size);
    promise(c->n_early <= KG_TCP_EARLY && c->n_sacked <= KG_TCP_SACKED);
    if (!kg_tcp_is_live(c)) {
        return;
    }
    promise(!kg_seq_less(c->snd_nxt, c->snd_una) && !kg_seq_less(c->snd_max, c->snd_nxt));
    promise(c->mss >= KG_TCP_MSS_LEAST && c->mss <= KG_NET_MTU - 40);
    if (c->state < KG_TCP_ESTABLISHED) {
        return;
    }
    promise(c->snd_max - c->snd_una <= c->sent.n + 1);
    promise(c->rcv_adv - c->rcv_nxt <= c->received.size);
    promise(c->fin_came || c->rcv_adv - c->rcv_nxt <= c->received.size - c->received.n);
    check_ranges(c->early, c->n_early, c->rcv_nxt, c->rcv_adv);
    check_ranges(c->sacked, c->n_sacked, c->snd_una, c->snd_max);
    promise(c->cwnd >= c->mss / 2u || c->cwnd >= KG_TCP_MSS_LEAST);
    promise(c->snd_una == c->snd_max || c->fin_acked || c->retransmit_at);
    promise(!c->end_at || !c->held);
}

UNWATCHED static inline void check_stack(const struct kg_net *net)
{
    for (uint32_t i = 0; i < net->tcp.n_connections; i++) {
        check_connection(&net->tcp.connections[i]);
    }
    for (uint32_t i = 0; i < KG_ARP_WAITING; i++) {
        promise(net->ip.waiting[i].n <= KG_FRAME_MAX);
    }
}

#endif
