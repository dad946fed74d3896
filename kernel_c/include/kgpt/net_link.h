/* What the network stack (kernel_c/net) asks of its caller: a link that carries Ethernet frames, a clock, and random
 * bytes. The stack knows no device. Addresses are IPv4 in host order: 192.0.2.1 is 0xC0000201. */
#ifndef KGPT_NET_LINK_H
#define KGPT_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_NET_MTU 1500u /* a link with a larger MTU is used with this one */

/* All functions get `context`. None may wait, but `relax`. */
struct kg_net_link {
    void *context;
    bool (*send)(void *context, const void *frame, size_t n);   /* copies the frame; false: queue full, try again */
    size_t (*receive)(void *context, void *frame, size_t size); /* 0: no frame; longer frames are dropped */
    bool (*has_link)(void *context);                            /* a cable, and something at its other end */
    uint64_t (*now_ms)(void *context);                          /* monotonic */
    void (*random)(void *context, void *to, size_t n);          /* unpredictable: keys of ISNs and ports */
    void (*relax)(void *context, uint32_t ms); /* sleeps until a frame may have arrived, at most so long; may be NULL */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of a frame without its Ethernet header: 576 or more */
};

/* What happened so far. Every frame that is dropped is counted once. */
struct kg_net_counters {
    uint64_t received, sent;                    /* frames */
    uint64_t malformed;                         /* lengths, versions or header checksums that are wrong */
    uint64_t not_for_us;                        /* another address, protocol or port */
    uint64_t fragments;                         /* fragments of IPv4 are dropped */
    uint64_t bad_checksums;                     /* of ICMP, UDP and TCP */
    uint64_t queue_full;                        /* the link took no frame */
    uint64_t no_route;                          /* no gateway, or the neighbour did not answer ARP */
    uint64_t conflicts;                         /* another host uses our address */
    uint64_t limited;                           /* replies left out by a rate limit */
    uint64_t tcp_opened, tcp_refused, tcp_lost; /* connections: established, refused, reset or given up */
    uint64_t tcp_retransmitted, tcp_timeouts, tcp_recoveries;
    uint64_t tcp_out_of_order, tcp_out_of_window, tcp_ranges_full, tcp_challenges;
    uint64_t syn_cookies_sent, syn_cookies_used;
};

#endif
