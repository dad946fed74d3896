/* Sends what a connection may send: see tcp.h. */
#include "tcp.h"

#include "kgpt/mem.h"

#define PERSIST_LEAST_MS 200u

static uint32_t data_end(const struct kg_tcp_connection *c)
{
    return c->snd_una + c->sent.n;
}

static bool may_send_data(const struct kg_tcp_connection *c)
{
    return c->state >= KG_TCP_ESTABLISHED && c->state <= KG_TCP_LAST_ACK && !c->fin_acked;
}

/* The window to advertise. It grows only by as much as pays (RFC 9293, 3.8.6.2.2), and never becomes smaller. */
uint32_t kg_tcp_window(const struct kg_tcp_connection *c)
{
    uint32_t room = c->received.size - c->received.n, now = c->rcv_adv - c->rcv_nxt;
    uint32_t step = kg_min32(c->received.size / 2, c->mss);
    return room >= now + step ? room : now;
}

static uint16_t window_field(struct kg_tcp_connection *c)
{
    uint32_t field = kg_min32(kg_tcp_window(c) >> c->rcv_scale, 65535);
    uint32_t edge = c->rcv_nxt + (field << c->rcv_scale);
    c->rcv_adv = kg_seq_less(c->rcv_adv, edge) ? edge : c->rcv_adv;
    return (uint16_t)field;
}

static bool send_segment(struct kg_tcp *tcp, struct kg_tcp_connection *c, uint32_t seq, uint32_t n, uint8_t flags)
{
    struct kg_tcp_header header = {.peer = &c->peer, .seq = seq, .ack = c->rcv_nxt, .flags = flags};
    header.n_options = (uint8_t)kg_tcp_write_sack(c, header.options);
    header.window = window_field(c);
    if (n) {
        kg_tcp_ring_read(&c->sent, seq - c->snd_una, kg_tcp_payload(tcp->ip, header.n_options), n);
    }
    if (!kg_tcp_emit(tcp->ip, &header, n)) {
        return false;
    }
    c->ack_now = false;
    c->delayed_at = 0;
    c->unacked = 0;
    return true;
}

static void count_sent(struct kg_tcp *tcp, struct kg_tcp_connection *c, uint32_t seq, uint32_t length)
{
    uint64_t now = tcp->ip->now;
    if (kg_seq_less(seq, c->snd_max)) {
        tcp->ip->counters.tcp_retransmitted++;
        c->timing = false; /* Karn: an answer could be to either of the two */
    } else if (!c->timing) {
        c->timing = true;
        c->timed_seq = seq + length;
        c->timed_at = now;
    }
    if (kg_seq_less(c->snd_max, seq + length)) {
        c->snd_max = seq + length;
    }
    if (c->retransmit_at == 0) {
        c->retransmit_at = now + c->rto;
    }
    c->persist_at = 0;
    c->last_sent = now;
}

/* Sends at most `limit` bytes from `seq` on, and the FIN behind the last. Returns how far it went in sequence space. */
static uint32_t send_at(struct kg_tcp *tcp, struct kg_tcp_connection *c, uint32_t seq, uint32_t limit)
{
    uint8_t options[KG_TCP_OPTIONS_MOST];
    uint32_t left = data_end(c) - seq, most = c->mss - kg_tcp_write_sack(c, options);
    uint32_t n = kg_min32(kg_min32(left, limit), most);
    bool fin = c->fin_wanted && n == left;
    uint8_t flags = KG_TCP_ACK | (n && n == left ? KG_TCP_PSH : 0) | (fin ? KG_TCP_FIN : 0);
    if ((n == 0 && !fin) || !send_segment(tcp, c, seq, n, flags)) {
        return 0;
    }
    count_sent(tcp, c, seq, n + fin);
    return n + fin;
}

/* Bytes that the peer's window still takes behind snd_nxt. */
static uint32_t window_left(const struct kg_tcp_connection *c)
{
    uint32_t edge = c->snd_una + c->snd_wnd;
    return kg_seq_less(c->snd_nxt, edge) ? edge - c->snd_nxt : 0;
}

static uint32_t in_flight(const struct kg_tcp_connection *c)
{
    uint32_t n = kg_tcp_unsacked(c, c->snd_una, c->snd_nxt);
    if (!c->may_sack) { /* each duplicate ACK tells of a segment that has left the network */
        uint32_t left = kg_min32(c->duplicates, 65535) * c->mss;
        n = n > left ? n - left : 0;
    }
    return n;
}

/* One segment from snd_nxt on. False: nothing can be sent now. `force`: also a small part of more. */
static bool send_next(struct kg_tcp *tcp, struct kg_tcp_connection *c, bool force)
{
    for (uint32_t i = 0; i < c->n_sacked; i++) {
        if (!kg_seq_less(c->snd_nxt, c->sacked[i].start) && kg_seq_less(c->snd_nxt, c->sacked[i].end)) {
            c->snd_nxt = c->sacked[i].end;
        }
    }
    uint32_t end = data_end(c), room = window_left(c), most = c->mss;
    if (kg_seq_less(end, c->snd_nxt) || (c->snd_nxt == end && !c->fin_wanted)) {
        return false;
    }
    struct kg_tcp_range hole = kg_tcp_hole(c, c->snd_nxt);
    uint32_t left = end - c->snd_nxt, n = kg_min32(left, kg_min32(room, most));
    if (hole.start == c->snd_nxt && hole.end != hole.start) {
        n = kg_min32(n, hole.end - hole.start);
    }
    if (left && n == 0) {
        return false;
    }
    uint32_t flight = in_flight(c);
    if (flight && flight + n > c->cwnd) {
        c->limited = true;
        return false;
    }
    bool small =
        n < left && n < most - KG_TCP_OPTIONS_MOST && n < c->most_wnd / 2 && !kg_seq_less(c->snd_nxt, c->snd_max);
    if (small && !force) {
        return false;
    }
    uint32_t length = send_at(tcp, c, c->snd_nxt, n);
    c->snd_nxt += length;
    return length > 0;
}

static void send_in_recovery(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    for (;;) {
        uint32_t lost = kg_tcp_lost_below(c), high = c->high_retransmitted;
        high = kg_seq_less(high, c->snd_una) ? c->snd_una : high;
        uint32_t pipe = kg_tcp_unsacked(c, lost, c->snd_nxt) + kg_tcp_unsacked(c, c->snd_una, high);
        if (pipe + c->mss > c->cwnd && !c->first_retransmission) {
            return;
        }
        struct kg_tcp_range hole = kg_tcp_hole(c, high);
        bool is_hole = hole.start != hole.end, is_lost = is_hole && kg_seq_less(hole.start, lost);
        if (c->first_retransmission && !is_hole) { /* duplicate ACKs without SACK ranges */
            hole = (struct kg_tcp_range){c->snd_una, c->snd_una + c->mss};
        }
        if (!is_lost && !c->first_retransmission && send_next(tcp, c, false)) {
            continue;
        }
        if (!is_hole && !c->first_retransmission) {
            return;
        }
        uint32_t length = send_at(tcp, c, hole.start, hole.end - hole.start);
        if (length == 0) {
            return;
        }
        c->first_retransmission = false;
        c->high_retransmitted = hole.start + length;
    }
}

/* NewReno: one segment for each partial ACK, and new ones for what left the network. */
static void send_in_newreno(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (c->first_retransmission && send_at(tcp, c, c->snd_una, c->mss)) {
        c->first_retransmission = false;
    }
    while (send_next(tcp, c, false)) {
    }
}

void kg_tcp_send_ack(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (!send_segment(tcp, c, c->snd_max, 0, KG_TCP_ACK)) {
        c->ack_now = true; /* the link took none: with the next poll */
    }
}

void kg_tcp_output(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    if (may_send_data(c)) {
        if (c->snd_max == c->snd_una && c->last_sent && tcp->ip->now - c->last_sent > c->rto) {
            c->cwnd = kg_min32(c->cwnd, 10u * c->mss); /* idle: what is known of the path is old (RFC 5681, 4.1) */
        }
        c->limited = false;
        if (c->recovering && c->may_sack) {
            send_in_recovery(tcp, c);
        } else if (c->recovering) {
            send_in_newreno(tcp, c);
        } else {
            while (send_next(tcp, c, false)) {
            }
        }
        if (c->snd_max == c->snd_una && c->sent.n && c->persist_at == 0) {
            c->persist_at = tcp->ip->now + (c->rto > PERSIST_LEAST_MS ? c->rto : PERSIST_LEAST_MS);
        }
    }
    if (c->ack_now && c->state >= KG_TCP_ESTABLISHED) {
        kg_tcp_send_ack(tcp, c);
    }
}

void kg_tcp_force(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    send_next(tcp, c, true);
}

/* A sequence number that the peer has: it answers with its window, and is alive. */
bool kg_tcp_probe(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    return send_segment(tcp, c, c->snd_una - 1, 0, KG_TCP_ACK);
}

bool kg_tcp_send_syn(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    struct kg_tcp_header header = {.peer = &c->peer, .seq = c->iss, .flags = KG_TCP_SYN};
    uint8_t scale = 0;
    while (c->received.size >> scale > 65535) {
        scale++;
    }
    if (c->state == KG_TCP_SYN_RECEIVED) {
        header.flags |= KG_TCP_ACK;
        header.ack = c->rcv_nxt;
    }
    uint16_t mss = (uint16_t)(tcp->ip->link.mtu - KG_IPV4_HEADER - KG_TCP_HEADER);
    header.n_options = (uint8_t)kg_tcp_write_syn_options(header.options, mss, &scale, true);
    header.window = (uint16_t)kg_min32(c->received.size, 65535);
    c->rcv_adv = c->rcv_nxt + header.window;
    bool sent = kg_tcp_emit(tcp->ip, &header, 0);
    c->snd_max = c->snd_nxt = c->iss + 1;
    c->retransmit_at = tcp->ip->now + (sent ? c->rto : KG_TCP_LINK_FULL_MS);
    return sent;
}

void kg_tcp_send_reset(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    struct kg_tcp_header header = {
        .peer = &c->peer, .seq = c->snd_max, .ack = c->rcv_nxt, .flags = KG_TCP_RST | KG_TCP_ACK};
    kg_tcp_emit(tcp->ip, &header, 0);
}
