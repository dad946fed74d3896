/* The state machine of RFC 9293, 3.10.7, with the rules of RFC 5961 against forged segments: see tcp.h. */
#include "tcp.h"

#include "net/ip/bytes.h"

#define STRAYS 50u /* a second, for each connection: more answers would be a war of ACKs */

/* RFC 9293, 3.10.7.3. */
static void input_syn_sent(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    bool ack = segment->flags & KG_TCP_ACK;
    if (ack && segment->ack != c->iss + 1) {
        kg_tcp_answer_reset(tcp->ip, segment);
        return;
    }
    if (segment->flags & KG_TCP_RST) {
        if (ack) {
            kg_tcp_lose(tcp, c, "the connection was refused");
        }
        return;
    }
    if (!(segment->flags & KG_TCP_SYN)) {
        return;
    }
    c->irs = segment->seq;
    c->rcv_nxt = segment->seq + 1;
    c->rcv_adv = c->rcv_nxt + kg_min32(c->received.size, 65535);
    kg_tcp_take_options(tcp, c, &segment->options);
    c->snd_wnd = c->most_wnd = segment->window;
    c->snd_wl1 = segment->seq;
    c->snd_wl2 = segment->ack;
    if (!ack) { /* both ends open at once */
        c->state = KG_TCP_SYN_RECEIVED;
        kg_tcp_send_syn(tcp, c);
        return;
    }
    c->snd_una = segment->ack;
    if (c->tries == 0) {
        kg_tcp_measure(c, tcp->ip->now - c->timed_at);
    }
    kg_tcp_establish(tcp, c);
    c->ack_now = true;
    kg_tcp_output(tcp, c);
}

static bool acceptable(const struct kg_tcp_connection *c, const struct kg_tcp_segment *segment, uint32_t length)
{
    uint32_t window = c->rcv_adv - c->rcv_nxt;
    if (length == 0 && segment->seq - c->rcv_nxt <= window) {
        return true; /* the right edge, too: a peer that has filled the window sends its ACKs from there */
    }
    if (window == 0) { /* its data is dropped, but its ACK counts (RFC 9293, 3.10.7.4) */
        return segment->seq == c->rcv_nxt;
    }
    bool begins = segment->seq - c->rcv_nxt < window;
    bool ends = length && segment->seq + length - 1 - c->rcv_nxt < window;
    bool covers = length && kg_seq_less(segment->seq, c->rcv_nxt) && kg_seq_less(c->rcv_nxt, segment->seq + length);
    return begins || ends || covers;
}

/* A segment outside the window is answered with an ACK, so that a peer that is behind catches up. */
static void answer_stray(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    tcp->ip->counters.tcp_out_of_window++;
    c->heard = tcp->ip->now; /* it is alive */
    if (tcp->ip->now - c->strays_at >= 1000) {
        c->strays_at = tcp->ip->now;
        c->strays = 0;
    }
    if (++c->strays > STRAYS) {
        tcp->ip->counters.limited++;
        return;
    }
    kg_tcp_send_ack(tcp, c);
}

/* RFC 5961, 3 and 4. True: the segment is dealt with. */
static bool input_reset_or_syn(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    if (!(segment->flags & (KG_TCP_RST | KG_TCP_SYN))) {
        return false;
    }
    bool reset = segment->flags & KG_TCP_RST;
    if (reset && segment->seq == c->rcv_nxt) {
        kg_tcp_lose(tcp, c, c->state == KG_TCP_SYN_RECEIVED ? "the connection was refused" : "the peer reset it");
    } else if (kg_tcp_may_challenge(tcp)) {
        kg_tcp_send_ack(tcp, c);
    }
    return true;
}

/* States that change when our FIN is acknowledged. False: the connection is no more. */
static bool fin_was_acked(struct kg_tcp *tcp, struct kg_tcp_connection *c)
{
    switch (c->state) {
    case KG_TCP_FIN_WAIT_1: c->state = KG_TCP_FIN_WAIT_2; return true;
    case KG_TCP_CLOSING: kg_tcp_wait(tcp, c); return false;
    case KG_TCP_LAST_ACK: kg_tcp_done(c); return false;
    default: return true;
    }
}

/* All of its bytes are known: a retransmission, a keep-alive, or a probe of a closed window. */
static bool is_old(const struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    bool plain = (segment->flags & (KG_TCP_SYN | KG_TCP_RST | KG_TCP_ACK)) == KG_TCP_ACK;
    return plain && c->state >= KG_TCP_ESTABLISHED && c->rcv_nxt - segment->seq - 1 < c->received.size;
}

/* Answered with an ACK, and dropped. But an old segment may bring the only acknowledgement that the network lets
 * through: a peer that retransmits has nothing newer to send. */
static void input_unacceptable(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    if (is_old(c, segment) && kg_seq_less(c->snd_una, segment->ack) && kg_tcp_take_ack(tcp, c, segment) &&
        c->fin_acked && !fin_was_acked(tcp, c)) {
        return;
    }
    if (!(segment->flags & KG_TCP_RST)) {
        answer_stray(tcp, c);
    }
}

static void input_synchronized(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    uint32_t length = segment->n + !!(segment->flags & KG_TCP_SYN) + !!(segment->flags & KG_TCP_FIN);
    if (!acceptable(c, segment, length)) {
        input_unacceptable(tcp, c, segment);
        return;
    }
    if (input_reset_or_syn(tcp, c, segment) || !(segment->flags & KG_TCP_ACK)) {
        return;
    }
    if (c->state == KG_TCP_SYN_RECEIVED) {
        if (segment->ack != c->iss + 1) {
            kg_tcp_answer_reset(tcp->ip, segment);
            return;
        }
        c->snd_una = segment->ack;
        kg_tcp_establish(tcp, c);
    }
    c->heard = tcp->ip->now;
    c->probes = c->persist_at ? c->probes : 0;
    bool good = kg_tcp_take_ack(tcp, c, segment);
    if (good && c->fin_acked && !fin_was_acked(tcp, c)) {
        return;
    }
    if (good && !c->held && c->accepted && c->state == KG_TCP_FIN_WAIT_2 && segment->n) {
        kg_tcp_send_reset(tcp, c); /* nobody will read it, and our last bytes have arrived */
        kg_tcp_free(c);
        return;
    }
    if (good) {
        kg_tcp_receive(tcp, c, segment);
    }
    if (kg_tcp_is_live(c)) {
        kg_tcp_output(tcp, c);
    }
}

/* RFC 9293, 3.10.7.4, TIME-WAIT. True: the segment is dealt with. */
static bool input_waiting(struct kg_tcp *tcp, const struct kg_tcp_peer *peer, const struct kg_tcp_segment *segment)
{
    struct kg_tcp_waiting *waiting = kg_tcp_find_waiting(tcp, peer);
    if (!waiting) {
        return false;
    }
    uint8_t flags = segment->flags & (KG_TCP_SYN | KG_TCP_ACK | KG_TCP_RST);
    if (flags == KG_TCP_SYN && kg_seq_less(waiting->rcv_nxt, segment->seq)) {
        waiting->peer.port = 0; /* a new connection of the same name */
        return false;
    }
    uint32_t length = segment->n + !!(segment->flags & KG_TCP_FIN);
    if (flags == KG_TCP_ACK && length && !kg_seq_less(waiting->rcv_nxt, segment->seq + length)) {
        waiting->until = tcp->ip->now + KG_TCP_WAIT_MS; /* the peer sends again: it has not had our last ACK yet */
    }
    if (!(flags & KG_TCP_RST) && kg_ip_may_reply(tcp->ip)) { /* RFC 1337: a RST ends no TIME-WAIT */
        struct kg_tcp_header header = {
            .peer = peer, .seq = waiting->snd_nxt, .ack = waiting->rcv_nxt, .flags = KG_TCP_ACK};
        kg_tcp_emit(tcp->ip, &header, 0);
    }
    return true;
}

void kg_tcp_input(struct kg_tcp *tcp, const struct kg_ipv4 *packet)
{
    struct kg_tcp_segment segment;
    if (!kg_tcp_read(tcp->ip, packet, &segment)) {
        return;
    }
    struct kg_tcp_peer peer = {segment.from, segment.from_port, segment.to_port};
    struct kg_tcp_connection *c = kg_tcp_find(tcp, &peer);
    if (!c && !input_waiting(tcp, &peer, &segment)) {
        c = kg_tcp_greet(tcp, &segment);
    }
    if (!c) {
        return;
    }
    if (c->state == KG_TCP_SYN_SENT) {
        input_syn_sent(tcp, c, &segment);
    } else {
        input_synchronized(tcp, c, &segment);
    }
}

/* RFC 1191 and RFC 5927: an error counts only if it quotes a segment in flight. */
void kg_tcp_icmp(struct kg_tcp *tcp, const struct kg_icmp_error *error)
{
    struct kg_tcp_peer peer = {error->to, kg_get16(error->data + 2), kg_get16(error->data)};
    struct kg_tcp_connection *c = kg_tcp_find(tcp, &peer);
    uint32_t seq = kg_get32(error->data + 4);
    if (!c || kg_seq_less(seq, c->snd_una) || !kg_seq_less(seq, c->snd_max)) {
        return;
    }
    if (error->code != 4) {
        c->problem = "the host cannot be reached"; /* said if the connection is given up */
        return;
    }
    kg_path_shrink(tcp->ip, error->to, error->mtu);
    uint16_t mss = kg_tcp_link_mss(tcp->ip, error->to);
    if (mss < c->mss && c->state >= KG_TCP_ESTABLISHED) {
        c->mss = mss;
        c->snd_nxt = c->snd_una;
        c->recovering = false;
        c->timing = false;
        kg_tcp_output(tcp, c);
    }
}
