/* Loss and congestion: the scoreboard of SACK and fast recovery (RFC 6675; NewReno without SACK, RFC 6582), and the
 * congestion window (RFC 5681). */
#include "tcp.h"

#define DUPLICATES 3u

/* Bytes from `from` to `to` that the peer has not reported. */
uint32_t kg_tcp_unsacked(const struct kg_tcp_connection *c, uint32_t from, uint32_t to)
{
    if (!kg_seq_less(from, to)) {
        return 0;
    }
    uint32_t n = to - from;
    for (uint32_t i = 0; i < c->n_sacked; i++) {
        uint32_t a = kg_seq_later(from, c->sacked[i].start), b = kg_seq_earlier(to, c->sacked[i].end);
        n -= kg_seq_less(a, b) ? b - a : 0;
    }
    return n;
}

bool kg_tcp_take_sack(struct kg_tcp_connection *c, const struct kg_tcp_options *options)
{
    bool news = false;
    for (uint32_t i = 0; c->may_sack && i < options->n_sack; i++) {
        struct kg_tcp_range range = options->sack[i];
        /* A duplicate that the peer reports (RFC 2883) lies below; what was never sent is a lie. */
        if (kg_seq_less(c->snd_una, range.start) && !kg_seq_less(c->snd_max, range.end)) {
            /* Without room the range is forgotten: it is then sent again. */
            news = kg_tcp_ranges_add(c->sacked, &c->n_sacked, KG_TCP_SACKED, range) == KG_TCP_ADDED || news;
        }
    }
    return news;
}

/* What lies below is lost: three ranges, or more than two segments, arrived above it (RFC 6675, IsLost). */
uint32_t kg_tcp_lost_below(const struct kg_tcp_connection *c)
{
    uint32_t bytes = 0;
    for (uint32_t i = c->n_sacked; i-- > 0;) {
        bytes += c->sacked[i].end - c->sacked[i].start;
        if (c->n_sacked - i >= DUPLICATES || bytes > (DUPLICATES - 1) * c->mss) {
            return c->sacked[i].start;
        }
    }
    return c->snd_una;
}

/* The first bytes from `from` on that are not reported, below the last reported range. */
struct kg_tcp_range kg_tcp_hole(const struct kg_tcp_connection *c, uint32_t from)
{
    for (uint32_t i = 0; i < c->n_sacked; i++) {
        if (kg_seq_less(from, c->sacked[i].start)) {
            return (struct kg_tcp_range){from, c->sacked[i].start};
        }
        from = kg_seq_later(from, c->sacked[i].end);
    }
    return (struct kg_tcp_range){from, from};
}

static void halve_window(struct kg_tcp_connection *c)
{
    uint32_t flight = kg_tcp_unsacked(c, c->snd_una, c->snd_max);
    c->ssthresh = flight / 2 > 2u * c->mss ? flight / 2 : 2u * c->mss;
}

void kg_tcp_count_duplicate(struct kg_tcp *tcp, struct kg_tcp_connection *c, bool new_sack)
{
    c->duplicates++;
    if (c->recovering || kg_seq_less(c->snd_una, c->recover)) {
        return;
    }
    bool lost = c->duplicates >= DUPLICATES || (new_sack && kg_tcp_lost_below(c) != c->snd_una);
    if (!lost) {
        return;
    }
    tcp->ip->counters.tcp_recoveries++;
    halve_window(c);
    c->cwnd = c->ssthresh;
    c->recover = c->snd_max;
    c->recovering = true;
    c->first_retransmission = true;
    c->high_retransmitted = c->snd_una;
    c->snd_nxt = c->snd_max;
}

/* New bytes were acknowledged outside recovery. */
void kg_tcp_grow(struct kg_tcp_connection *c, uint32_t acked)
{
    uint32_t most = c->sent.size * 2 > 20u * c->mss ? c->sent.size * 2 : 20u * c->mss;
    if (!c->limited || c->cwnd >= most) {
        return;
    }
    if (c->cwnd < c->ssthresh) {
        c->cwnd += acked;
        return;
    }
    c->cwnd_part += acked;
    if (c->cwnd_part >= c->cwnd) {
        c->cwnd_part -= c->cwnd;
        c->cwnd += c->mss;
    }
}

void kg_tcp_timed_out(struct kg_tcp_connection *c)
{
    if (c->tries == 0) {
        halve_window(c);
    }
    /* The peer has dropped what it had reported (RFC 2018, 8): the first range may not begin at snd_una. */
    if (c->n_sacked && c->sacked[0].start == c->snd_una) {
        c->n_sacked = 0;
    }
    c->cwnd = c->mss;
    c->recovering = false;
    c->recover = c->snd_max;
    c->snd_nxt = c->snd_una;
    c->duplicates = 0;
    c->timing = false;
}
