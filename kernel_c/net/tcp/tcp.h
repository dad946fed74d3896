/* TCP (RFC 9293): servers and clients, with SACK (RFC 2018, RFC 6675), window scaling (RFC 7323), NewReno (RFC 5681,
 * RFC 6582), RTO (RFC 6298), the rules for forged segments of RFC 5961 and unpredictable sequence numbers (RFC 6528).
 * All memory is taken once. docs/network.md says what each limit is. */
#ifndef KGPT_NET_TCP_H
#define KGPT_NET_TCP_H

#include "net/ip/ip.h"

#define KG_TCP_HEADER 20u
#define KG_TCP_OPTIONS_MOST 40u
#define KG_TCP_EARLY 16u  /* ranges of bytes received out of order */
#define KG_TCP_SACKED 32u /* ranges of bytes that the peer received out of order */
#define KG_TCP_LISTENERS 4u
#define KG_TCP_MSS_DEFAULT 536u /* RFC 9293: of a peer that names none */
#define KG_TCP_MSS_LEAST 64u    /* a peer that names less would have us send headers alone */

/* What was written before `close` is given up after so long without progress, and at last after so long. */
#define KG_TCP_ORPHAN_MS 100000u
#define KG_TCP_ORPHAN_MOST_MS 300000u

#define KG_TCP_WAIT_MS 60000u /* TIME-WAIT, as Linux has it */

#define KG_TCP_LINK_FULL_MS 5u /* a link that took no frame is tried again then */

#define KG_TCP_FIN 1u
#define KG_TCP_SYN 2u
#define KG_TCP_RST 4u
#define KG_TCP_PSH 8u
#define KG_TCP_ACK 16u

enum kg_tcp_state {
    KG_TCP_FREE,
    KG_TCP_SYN_SENT,
    KG_TCP_SYN_RECEIVED, /* of a simultaneous open alone: a server's is a struct kg_tcp_half */
    KG_TCP_ESTABLISHED,
    KG_TCP_FIN_WAIT_1,
    KG_TCP_FIN_WAIT_2,
    KG_TCP_CLOSE_WAIT,
    KG_TCP_CLOSING,
    KG_TCP_LAST_ACK,
    KG_TCP_DONE, /* ended in order, while the application holds it: what was received can still be read */
    KG_TCP_LOST, /* reset or given up, while the application holds it */
};

struct kg_tcp_range {
    uint32_t start, end;
};

struct kg_tcp_options {
    uint16_t mss; /* 0: none */
    uint8_t scale;
    bool has_scale, may_sack;
    uint8_t n_sack;
    struct kg_tcp_range sack[4];
};

struct kg_tcp_segment {
    uint32_t from, to;
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    const uint8_t *data;
    uint32_t n;
    struct kg_tcp_options options;
};

struct kg_tcp_peer {
    uint32_t address;
    uint16_t port, local_port;
};

/* A ring of bytes. */
struct kg_tcp_ring {
    uint8_t *bytes;
    uint32_t size, start, n;
};

/* What most code asks for comes first, and large members last: the code that reaches it is shorter. */
struct kg_tcp_connection {
    enum kg_tcp_state state;
    bool held;     /* by the application; false: not accepted yet, or closed, and what was written is still sent */
    bool accepted; /* the application has seen it */
    bool client;   /* of the slots for outgoing connections */
    bool may_sack;
    bool fin_wanted, fin_acked; /* ours */
    bool fin_came;              /* the peer's, at fin_seq */
    bool ack_now;
    bool limited; /* by cwnd, not by the application: it may grow */
    bool recovering, first_retransmission;
    bool timing; /* the segment at timed_seq, sent at timed_at */
    uint8_t snd_scale, rcv_scale;
    uint16_t mss;
    struct kg_tcp_peer peer;

    /* Sending. `sent` holds bytes from snd_una on: those in flight, then those not sent yet. */
    uint32_t snd_una, snd_nxt, snd_max; /* snd_nxt goes back after a timeout; snd_max never does */
    uint32_t snd_wnd;
    uint32_t n_sacked;
    uint32_t cwnd;

    /* Receiving. `received` holds bytes up to rcv_nxt; later ones lie in the ring behind them, at their places. */
    uint32_t rcv_nxt, rcv_adv; /* rcv_adv: the right edge of the advertised window */
    uint32_t n_early;
    uint32_t rto, tries; /* ms, and retransmissions in a row */
    uint32_t duplicates;
    struct kg_tcp_ring received, sent;

    /* More of sending, of receiving, and of congestion and loss. */
    uint32_t iss, snd_wl1, snd_wl2, most_wnd;
    uint32_t irs, fin_seq;
    uint32_t newest_early; /* sequence number of the segment that came last */
    uint32_t unacked;      /* bytes received since the last ACK */
    uint32_t most_segment; /* the largest one so far: what the peer takes for a full segment */
    uint32_t ssthresh, cwnd_part;
    uint32_t recover, high_retransmitted;

    /* Time, in ms. A time of 0 is a timer that is off. */
    uint32_t srtt8, rttvar4, backoff, probes;
    uint32_t timed_seq;
    uint32_t strays; /* segments outside the window that were answered in this second */
    uint64_t persist_at, retransmit_at, alive_at, delayed_at, end_at, last_end_at;
    uint64_t timed_at, heard, last_sent;
    uint64_t strays_at;
    const char *problem; /* why it is lost */

    struct kg_tcp_range early[KG_TCP_EARLY];
    struct kg_tcp_range sacked[KG_TCP_SACKED];
};

/* A SYN that was answered: a connection without buffers. */
struct kg_tcp_half {
    struct kg_tcp_peer peer; /* port 0: free */
    uint32_t iss, irs;
    uint16_t window, mss;
    uint8_t scale, tries;
    bool has_scale, may_sack;
    uint64_t at; /* when the SYN-ACK is sent again */
};

/* TIME-WAIT. */
struct kg_tcp_waiting {
    struct kg_tcp_peer peer; /* port 0: free */
    uint32_t snd_nxt, rcv_nxt;
    uint64_t until;
};

struct kg_tcp {
    struct kg_ip *ip;
    struct kg_tcp_connection *connections;
    struct kg_tcp_half *half;
    struct kg_tcp_waiting *waiting;
    uint32_t n_connections, n_half, n_waiting;
    uint16_t listeners[KG_TCP_LISTENERS];
    uint64_t cookies_until; /* SYN cookies are accepted until then */
    uint64_t challenges_at;
    uint32_t challenges;
};

/* Neither free, nor ended. */
static inline bool kg_tcp_is_live(const struct kg_tcp_connection *c)
{
    return c->state != KG_TCP_FREE && c->state < KG_TCP_DONE;
}

static inline bool kg_seq_less(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline uint32_t kg_seq_earlier(uint32_t a, uint32_t b)
{
    return kg_seq_less(a, b) ? a : b;
}

static inline uint32_t kg_seq_later(uint32_t a, uint32_t b)
{
    return kg_seq_less(a, b) ? b : a;
}

static inline uint32_t kg_min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* tcp_options.c */
bool kg_tcp_read(struct kg_ip *ip, const struct kg_ipv4 *packet, struct kg_tcp_segment *segment); /* false: dropped */
void kg_tcp_read_options(const uint8_t *bytes, uint32_t n, struct kg_tcp_options *options);
uint32_t kg_tcp_write_syn_options(uint8_t *to, uint16_t mss, const uint8_t *scale, bool may_sack);
uint32_t kg_tcp_write_sack(const struct kg_tcp_connection *c, uint8_t *to);

/* tcp_segment.c */
struct kg_tcp_header {
    const struct kg_tcp_peer *peer;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    uint8_t n_options;
    uint8_t options[KG_TCP_OPTIONS_MOST];
};
static inline uint8_t *kg_tcp_payload(struct kg_ip *ip, uint32_t n_options)
{
    return kg_ip_payload(ip) + KG_TCP_HEADER + n_options;
}
/* Sends a segment whose data is at kg_tcp_payload. False: the link's queue is full. */
bool kg_tcp_emit(struct kg_ip *ip, const struct kg_tcp_header *header, uint32_t n);
void kg_tcp_answer_reset(struct kg_ip *ip, const struct kg_tcp_segment *segment);
uint16_t kg_tcp_link_mss(struct kg_ip *ip, uint32_t address);
void kg_tcp_ring_read(const struct kg_tcp_ring *ring, uint32_t offset, uint8_t *to, uint32_t n);
void kg_tcp_ring_write(struct kg_tcp_ring *ring, uint32_t offset, const uint8_t *from, uint32_t n);

/* tcp_sequence.c */
uint32_t kg_tcp_isn(struct kg_ip *ip, const struct kg_tcp_peer *peer);
uint32_t kg_tcp_cookie(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t irs, uint16_t mss);
uint16_t kg_tcp_cookie_mss(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t irs,
                           uint32_t cookie); /* 0: bad */

/* tcp_table.c */
struct kg_tcp_connection *kg_tcp_find(struct kg_tcp *tcp, const struct kg_tcp_peer *peer);
struct kg_tcp_connection *kg_tcp_new(struct kg_tcp *tcp, const struct kg_tcp_peer *peer, bool client);
void kg_tcp_free(struct kg_tcp_connection *c);
void kg_tcp_lose(struct kg_tcp *tcp, struct kg_tcp_connection *c, const char *problem);
void kg_tcp_establish(struct kg_tcp *tcp, struct kg_tcp_connection *c);
void kg_tcp_take_options(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_options *options);
void kg_tcp_done(struct kg_tcp_connection *c); /* it ended in order */
struct kg_tcp_waiting *kg_tcp_find_waiting(struct kg_tcp *tcp, const struct kg_tcp_peer *peer);
void kg_tcp_wait(struct kg_tcp *tcp, struct kg_tcp_connection *c); /* frees it: its name stays in TIME-WAIT */
bool kg_tcp_listens(const struct kg_tcp *tcp, uint16_t port);

/* tcp_ranges.c: sorted ranges that are apart from each other. FULL: there is no room for one more. */
enum kg_tcp_added { KG_TCP_ADDED, KG_TCP_KNOWN, KG_TCP_FULL };
enum kg_tcp_added kg_tcp_ranges_add(struct kg_tcp_range *ranges, uint32_t *n, uint32_t most, struct kg_tcp_range range);
void kg_tcp_ranges_cut(struct kg_tcp_range *ranges, uint32_t *n, uint32_t below); /* forgets what is below */

/* tcp_recovery.c */
uint32_t kg_tcp_unsacked(const struct kg_tcp_connection *c, uint32_t from, uint32_t to);
bool kg_tcp_take_sack(struct kg_tcp_connection *c, const struct kg_tcp_options *options); /* true: something new */
uint32_t kg_tcp_lost_below(const struct kg_tcp_connection *c);
struct kg_tcp_range kg_tcp_hole(const struct kg_tcp_connection *c, uint32_t from); /* empty: none */
void kg_tcp_count_duplicate(struct kg_tcp *tcp, struct kg_tcp_connection *c, bool new_sack);
void kg_tcp_grow(struct kg_tcp_connection *c, uint32_t acked);
void kg_tcp_timed_out(struct kg_tcp_connection *c); /* everything in flight is taken for lost */

/* tcp_output.c */
void kg_tcp_output(struct kg_tcp *tcp, struct kg_tcp_connection *c);
void kg_tcp_send_ack(struct kg_tcp *tcp, struct kg_tcp_connection *c);
bool kg_tcp_send_syn(struct kg_tcp *tcp, struct kg_tcp_connection *c); /* false: the link took none; a timer retries */
void kg_tcp_send_reset(struct kg_tcp *tcp, struct kg_tcp_connection *c);
/* Asks for an ACK: of a zero window, or of life. False: the link took none. */
bool kg_tcp_probe(struct kg_tcp *tcp, struct kg_tcp_connection *c);
void kg_tcp_force(struct kg_tcp *tcp, struct kg_tcp_connection *c); /* sends what fits into a small window */
uint32_t kg_tcp_window(const struct kg_tcp_connection *c);

/* tcp_receive.c */
void kg_tcp_receive(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment);

/* tcp_ack.c */
bool kg_tcp_take_ack(struct kg_tcp *tcp, struct kg_tcp_connection *c, const struct kg_tcp_segment *segment);
void kg_tcp_measure(struct kg_tcp_connection *c, uint64_t ms);
bool kg_tcp_may_challenge(struct kg_tcp *tcp);

/* tcp_listen.c */
/* A segment for no connection. Returns a new connection whose handshake it completes, or NULL. */
struct kg_tcp_connection *kg_tcp_greet(struct kg_tcp *tcp, const struct kg_tcp_segment *segment);
void kg_tcp_poll_half(struct kg_tcp *tcp);

/* tcp_input.c */
void kg_tcp_input(struct kg_tcp *tcp, const struct kg_ipv4 *packet);
void kg_tcp_icmp(struct kg_tcp *tcp, const struct kg_icmp_error *error);

/* tcp_timer.c */
void kg_tcp_poll(struct kg_tcp *tcp);
uint64_t kg_tcp_next(const struct kg_tcp *tcp); /* when the next timer ends; UINT64_MAX: none runs */

/* tcp.c: for applications. A connection is held until `close` or `reset`. */
bool kg_tcp_listen(struct kg_tcp *tcp, uint16_t port);
struct kg_tcp_connection *kg_tcp_accept(struct kg_tcp *tcp, uint16_t port);               /* NULL: none */
struct kg_tcp_connection *kg_tcp_connect(struct kg_tcp *tcp, uint32_t to, uint16_t port); /* NULL: none is free */
size_t kg_tcp_take(struct kg_tcp *tcp, struct kg_tcp_connection *c, void *to, size_t room);
size_t kg_tcp_give(struct kg_tcp *tcp, struct kg_tcp_connection *c, const void *from, size_t n);
void kg_tcp_shut(struct kg_tcp *tcp, struct kg_tcp_connection *c); /* no more will be written */
void kg_tcp_close(struct kg_tcp *tcp, struct kg_tcp_connection *c);
void kg_tcp_reset(struct kg_tcp *tcp, struct kg_tcp_connection *c);
void kg_tcp_lose_all(struct kg_tcp *tcp, const char *problem); /* the address is gone */

#endif
