/* A witness of the frames between two stacks (net_pair.c): whether a connection that was given up had to be.
 * A stack may give up only when its timer's count is reached, and the wire let no answer through. The witness knows
 * every copy of every segment, and what the wire did to it. */
#ifndef KGPT_NET_WITNESS_H
#define KGPT_NET_WITNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "net/ip/bytes.h"
#include "net/tcp/tcp.h"

#define WITNESSED 16384u
/* The counts that docs/network.md names: written down here a second time, so that a change of the stack shows. */
#define GIVES_UP_AFTER 9u
#define SYN_GIVES_UP_AFTER 7u
#define SYN_ACKS_SENT 5u
#define PROBES_SENT 4u
#define WAIT_MS 60000u
#define ORPHAN_MS 100000u
#define IN_FLIGHT_MS 100u /* more than the wire ever delays */

struct witness {
    uint64_t n;
    struct witnessed {
        uint64_t at;
        uint32_t seq, ack, length;
        uint16_t window;
        uint8_t from, flags;
        bool whole; /* it arrived, undamaged */
    } frames[WITNESSED];
};

static inline void witness_see(struct witness *w, uint64_t now, uint8_t from, const uint8_t *frame, bool whole)
{
    const uint8_t *ip = frame + 14, *tcp = ip + 20;
    if (kg_get16(frame + 12) != KG_ETHERTYPE_IPV4 || ip[9] != KG_PROTOCOL_TCP) {
        return;
    }
    uint32_t header = (tcp[12] >> 4) * 4u;
    w->frames[w->n++ % WITNESSED] = (struct witnessed){.at = now,
                                                       .seq = kg_get32(tcp + 4),
                                                       .ack = kg_get32(tcp + 8),
                                                       .length = kg_get16(ip + 2) - 20u - header +
                                                                 !!(tcp[13] & KG_TCP_SYN) + !!(tcp[13] & KG_TCP_FIN),
                                                       .window = kg_get16(tcp + 14),
                                                       .from = from,
                                                       .flags = tcp[13],
                                                       .whole = whole};
}

struct testimony {
    uint32_t copies;     /* of the segment at snd_una that `from` sent */
    uint32_t unanswered; /* of them arrived, and no answer was ever sent */
    uint32_t answers;    /* that acknowledge more than snd_una arrived */
    uint32_t lately;     /* of them arrived within TIME-WAIT before the other end's first reset */
    uint32_t probes;     /* segments without new bytes that `from` sent since `since` */
    uint32_t heard;      /* segments that arrived at `from` since `since` */
    uint32_t resets;     /* that arrived at `from` */
    uint32_t syn_acks;   /* that the other end sent */
    uint32_t greetings;  /* that arrived at the other end in time to complete its handshake */
};

/* What was seen of the connection of `from` whose first unacknowledged number is `una`. */
static inline struct testimony witness_ask(const struct witness *w, uint8_t from, uint32_t una, uint64_t since)
{
    struct testimony told = {0};
    uint32_t answered = 0;
    uint64_t first_reset = UINT64_MAX;
    uint64_t oldest = w->n > WITNESSED ? w->n - WITNESSED : 0;
    for (uint64_t i = oldest; i < w->n; i++) {
        const struct witnessed *seen = &w->frames[i % WITNESSED];
        first_reset =
            seen->from != from && (seen->flags & KG_TCP_RST) && seen->at < first_reset ? seen->at : first_reset;
    }
    for (uint64_t i = w->n; i-- > oldest;) {
        const struct witnessed *seen = &w->frames[i % WITNESSED];
        bool reset = seen->flags & KG_TCP_RST, syn = seen->flags & KG_TCP_SYN, ack = seen->flags & KG_TCP_ACK;
        if (seen->from == from) {
            bool covers = !kg_seq_less(una, seen->seq) && kg_seq_less(una, seen->seq + seen->length) && !reset;
            told.copies += covers;
            told.unanswered += covers && seen->whole && answered == 0;
            told.lately += covers && seen->whole && first_reset != UINT64_MAX && seen->at + WAIT_MS > first_reset &&
                           seen->at + IN_FLIGHT_MS < first_reset;
            told.probes += seen->at >= since && seen->length <= 1 && !reset;
            told.greetings += seen->whole && ack && !syn && !reset && seen->at + IN_FLIGHT_MS < first_reset;
        } else {
            bool answers = ack && kg_seq_less(una, seen->ack);
            answered += answers || reset;
            told.answers += answers && seen->whole && !reset;
            told.heard += seen->whole && seen->at >= since && !reset;
            told.resets += seen->whole && reset;
            told.syn_acks += syn && ack;
        }
    }
    return told;
}

struct circumstances {
    uint64_t now;
    uint64_t unsent, other_unsent; /* frames of each host that never reached the wire: no neighbour answered ARP */
    bool other_gave_up;
};

/* Why `c`, as it was before it was given up, had no other end; NULL: it gave up without need. */
static inline const char *witness_excuse(const struct witness *w, uint8_t from, const struct kg_tcp_connection *c,
                                         const struct circumstances *with)
{
    uint64_t now = with->now;
    uint32_t tries = c->state < KG_TCP_ESTABLISHED ? SYN_GIVES_UP_AFTER : GIVES_UP_AFTER;
    struct testimony told = witness_ask(w, from, c->snd_una, c->heard + 1);
    struct testimony lately = witness_ask(w, from, c->snd_una, now - ORPHAN_MS + 1);
    bool orphan = c->end_at && c->end_at <= now && !c->held && lately.answers == 0;
    bool silent = c->retransmit_at && c->retransmit_at <= now && c->tries >= tries && told.answers == 0 &&
                  told.unanswered <= with->other_unsent && told.copies + with->unsent > tries;
    bool shut = c->persist_at && c->persist_at <= now && c->probes >= GIVES_UP_AFTER && told.heard == 0 &&
                told.probes + with->unsent >= GIVES_UP_AFTER;
    bool gone = c->alive_at && c->alive_at <= now && told.heard == 0 && told.probes + with->unsent >= PROBES_SENT;
    /* Reset: the other end had given up; or the handshake had ended there before our first ACK arrived; or TIME-WAIT,
     * since for a minute no copy of our FIN arrived. */
    bool never_greeted = told.syn_acks + with->other_unsent >= SYN_ACKS_SENT && told.greetings == 0;
    bool waited = c->state == KG_TCP_LAST_ACK && told.lately == 0;
    bool reset = told.resets && (with->other_gave_up || never_greeted || waited);
    return silent   ? "retransmissions"
           : shut   ? "window probes"
           : gone   ? "keep-alive"
           : orphan ? "closed"
           : reset  ? "reset"
                    : NULL;
}

/* The last frames, for a reader of a failure. */
static inline void witness_tell(const struct witness *w, uint32_t most)
{
    for (uint64_t i = w->n > most ? w->n - most : 0; i < w->n; i++) {
        const struct witnessed *seen = &w->frames[i % WITNESSED];
        printf("%8llu ms %s flags %02x seq %u + %u ack %u window %u%s\n", (unsigned long long)seen->at,
               seen->from ? "server" : "client", seen->flags, seen->seq, seen->length, seen->ack, seen->window,
               seen->whole ? "" : ", lost");
    }
}

#endif
