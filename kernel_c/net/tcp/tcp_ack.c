/* Takes the acknowledgement and the window of a segment: see tcp.h. */
#include "tcp.h"

#define CHALLENGES 100u /* a second (RFC 5961, 7) */
#define RTO_LEAST 200u  /* as Linux: RFC 6298 asks for a second, for clocks of half a second */
#define RTO_MOST 60000u

/* RFC 6298. */
void kg_tcp_measure(struct kg_tcp_connection *c, uint64_t ms)
{
    uint32_t r = ms > RTO_MOST ? RTO_MOST : ms ? (uint32_t)ms : 1;
    if (c->srtt8 == 0) {
        c->srtt8 = r * 8;
        c->rttvar4 = r * 2;
    } else {
        uint32_t srtt = c->srtt8 / 8, difference = srtt > r ? srtt - r : r - srtt;
        c->rttvar4 = c->rttvar4 - c->rttvar4 / 4 + difference;
        c->srtt8 = c->srtt8 - c->srtt8 / 8 + r;
    }
    uint32_t rto = c->srtt8 / 8 + (c->rttvar4 > RTO_LEAST ? c->rttvar4 : RTO_LEAST);
    c->rto = kg_min32(rto, RTO_MOST);
}

bool kg_tcp_may_challenge(struct kg_tcp *tcp)
{
    if (tcp->ip->now - tcp->challenges_at >= 1000) {
        tcp->challenges_at = tcp->ip->now;
        tcp->challenges = 0;
    }
    if (tcp->challenges >= CHALLENGES) {
        tcp->ip->counters.limited++;
        return false;
    }
    tcp->challenges++;
    tcp->ip->counters.tcp_challenges++;
    return true;
}

static void take_window(struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    /* RFC 9293, 3.10.7.4, and as in Linux any segment that acknowledges more: its bytes may be older than those of
     * another one, but an old window behind a new snd_una would end where the peer takes nothing. */
    bool newer = kg_seq_less(c->snd_una, segment->ack) || kg_seq_less(c->snd_wl1, segment->seq) ||
                 (c->snd_wl1 == segment->seq && !kg_seq_less(segment->ack, c->snd_wl2));
    if (!newer) {
        return;
    }
    uint32_t window = (uint32_t)segment->window << c->snd_scale;
    if (window && c->snd_wnd == 0 && c->persist_at) {
        c->persist_at = 0;
        c->probes = 0;
    }
    c->snd_wnd = window;
    c->most_wnd = window > c->most_wnd ? window : c->most_wnd;
    c->snd_wl1 = segment->seq;
    c->snd_wl2 = segment->ack;
}

/* Takes acknowledged bytes from the ring. */
static void advance(struct kg_tcp_connection *c, uint32_t acked)
{
    uint32_t n = kg_min32(acked, c->sent.n);
    c->sent.start = (uint32_t)(((uint64_t)c->sent.start + n) % c->sent.size);
    c->sent.n -= n;
    c->fin_acked = c->fin_acked || acked > n;
    c->snd_una += acked;
    if (kg_seq_less(c->snd_nxt, c->snd_una)) {
        c->snd_nxt = c->snd_una;
    }
    kg_tcp_ranges_cut(c->sacked, &c->n_sacked, c->snd_una);
}

static void take_progress(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    uint32_t acked = segment->ack - c->snd_una;
    if (c->timing && !kg_seq_less(segment->ack, c->timed_seq)) {
        c->timing = false;
        kg_tcp_measure(c, tcp->ip->now - c->timed_at);
    }
    advance(c, acked);
    c->tries = 0;
    c->backoff = 0;
    if (c->end_at) { /* closed, and the rest still flows */
        uint64_t end = tcp->ip->now + KG_TCP_ORPHAN_MS;
        c->end_at = end < c->last_end_at ? end : c->last_end_at;
    }
    c->retransmit_at = c->snd_una == c->snd_max ? 0 : tcp->ip->now + c->rto;
    if (!c->recovering) {
        c->duplicates = 0;
        kg_tcp_grow(c, acked);
    } else if (!kg_seq_less(c->snd_una, c->recover)) {
        c->recovering = false;
        c->duplicates = 0;
        c->cwnd = c->ssthresh;
    } else if (!c->may_sack) { /* a partial ACK: the next hole begins at snd_una (RFC 6582) */
        uint32_t left = acked / c->mss;
        c->duplicates = c->duplicates > left ? c->duplicates - left : 0;
        c->first_retransmission = true;
    }
    if (!kg_seq_less(c->snd_una, c->recover)) {
        c->recover = c->snd_una; /* else it would be ahead again after 2 GiB */
    }
}

/* False: the segment is to be dropped. */
bool kg_tcp_take_ack(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment)
{
    /* RFC 5961, 5: older than the largest window, or of bytes that were never sent. */
    if (kg_seq_less(segment->ack, c->snd_una - c->most_wnd) || kg_seq_less(c->snd_max, segment->ack)) {
        c->ack_now = kg_tcp_may_challenge(tcp) || c->ack_now;
        return false;
    }
    bool news = false, same_window = (uint32_t)segment->window << c->snd_scale == c->snd_wnd;
    uint32_t una = c->snd_una;
    if (!kg_seq_less(segment->ack, c->snd_una)) {
        news = kg_tcp_take_sack(c, &segment->options);
        take_window(c, segment);
    }
    if (kg_seq_less(c->snd_una, segment->ack)) {
        take_progress(tcp, c, segment);
    }
    bool duplicate =
        segment->ack == una && una != c->snd_max && segment->n == 0 && same_window && !(segment->flags & KG_TCP_FIN);
    if (news || (duplicate && !c->may_sack)) {
        kg_tcp_count_duplicate(tcp, c, news);
    }
    if (segment->ack == c->snd_una && c->snd_wnd == 0) {
        c->tries = 0; /* the peer is alive, and its window closed */
    }
    return true;
}
