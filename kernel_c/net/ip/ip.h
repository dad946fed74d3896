/* Ethernet, ARP, IPv4, ICMP and UDP over one link. A packet is built in place: the caller writes its payload to
 * kg_ip_payload, and kg_ip_send puts the headers before it. */
#ifndef KGPT_NET_IP_H
#define KGPT_NET_IP_H

#include "kgpt/net_link.h"

#define KG_ETHERNET_HEADER 14u
#define KG_IPV4_HEADER 20u
#define KG_UDP_HEADER 8u
#define KG_FRAME_MAX (KG_ETHERNET_HEADER + KG_NET_MTU)

#define KG_ETHERTYPE_IPV4 0x0800u
#define KG_ETHERTYPE_ARP 0x0806u
#define KG_PROTOCOL_ICMP 1u
#define KG_PROTOCOL_TCP 6u
#define KG_PROTOCOL_UDP 17u
#define KG_BROADCAST 0xFFFFFFFFu

#ifndef KG_ARP_ENTRIES /* a fuzzer makes them few, so that short inputs fill them */
#define KG_ARP_ENTRIES 64u
#endif
#define KG_ARP_WAITING 4u
#define KG_UDP_PORTS 4u
#define KG_PATHS 8u
#define KG_PATH_MTU_LEAST 576u /* RFC 791: every host takes so much; a router that claims less is not believed */

struct kg_arp_entry {
    uint32_t address; /* 0: free */
    uint8_t mac[6];
    bool known;
    uint8_t asked;      /* requests since the last answer */
    uint64_t confirmed; /* ms */
    uint64_t asked_at;
    uint64_t used;
};

/* A packet that waits for its neighbour's hardware address. */
struct kg_arp_waiting {
    uint32_t address; /* 0: free */
    uint64_t since;
    size_t n;
    uint8_t frame[KG_FRAME_MAX];
};

/* A path whose MTU is smaller than the link's (RFC 1191). */
struct kg_path {
    uint32_t address;
    uint16_t mtu;
    uint64_t until;
};

/* A received packet of IPv4 whose header was checked. */
struct kg_ipv4 {
    uint32_t from, to;
    uint8_t protocol;
    const uint8_t *header; /* for ICMP errors */
    const uint8_t *data;
    uint32_t n;
};

struct kg_udp_port {
    uint16_t port; /* 0: free */
    void *context;
    void (*receive)(void *context, uint32_t from, uint16_t from_port, const uint8_t *data, uint32_t n);
};

struct kg_ip {
    struct kg_net_link link;
    uint64_t now;     /* ms: the link's clock at the last poll */
    uint32_t address; /* 0: none yet */
    uint32_t mask, gateway;
    uint16_t id;         /* of the next packet */
    uint32_t probed;     /* the address that DHCP is about to use: */
    bool probe_answered; /* another host has it */
    uint64_t defended;   /* when we last defended our address */
    uint64_t key[2];     /* of hashes that nobody can predict */
    uint64_t tokens_at;
    uint32_t tokens; /* replies that the rate limit still allows */

    /* Large members last: the code that reaches the others is shorter. */
    struct kg_net_counters counters;
    struct kg_arp_entry arp[KG_ARP_ENTRIES];
    struct kg_arp_waiting waiting[KG_ARP_WAITING];
    struct kg_path paths[KG_PATHS];
    struct kg_udp_port udp[KG_UDP_PORTS];
    uint8_t in[KG_FRAME_MAX + 8];
    uint8_t out[KG_FRAME_MAX];
};

void kg_ip_init(struct kg_ip *ip, const struct kg_net_link *link);
uint32_t kg_ip_random(struct kg_ip *ip);

/* True if a reply to a packet that anybody can send is still within the rate limit of 1,000 a second. */
bool kg_ip_may_reply(struct kg_ip *ip);

extern const uint8_t kg_ethernet_all[6]; /* the broadcast address */

/* Ethernet: writes the header of ip->out, and sends it. False: the link's queue is full. */
bool kg_ethernet_send(struct kg_ip *ip, const uint8_t to[6], uint16_t type, size_t payload);

/* ARP. */
void kg_arp_input(struct kg_ip *ip, const uint8_t *packet, size_t n);
const uint8_t *kg_arp_find(struct kg_ip *ip, uint32_t address); /* NULL: not known; it is asked for */
void kg_arp_wait(struct kg_ip *ip, uint32_t address, size_t n); /* keeps ip->out until the answer comes */
void kg_arp_doubt(struct kg_ip *ip, uint32_t to);               /* nothing comes back: asks its neighbour again */
void kg_arp_probe(struct kg_ip *ip, uint32_t address);          /* RFC 5227: does anybody use it? */
void kg_arp_announce(struct kg_ip *ip);
void kg_arp_forget(struct kg_ip *ip); /* all neighbours, when the address changes */
void kg_arp_poll(struct kg_ip *ip);

/* IPv4. */
bool kg_ipv4_read(struct kg_ip *ip, const uint8_t *bytes, size_t n, struct kg_ipv4 *packet); /* false: dropped */
static inline uint8_t *kg_ip_payload(struct kg_ip *ip)
{
    return ip->out + KG_ETHERNET_HEADER + KG_IPV4_HEADER;
}
bool kg_ip_is_broadcast(const struct kg_ip *ip, uint32_t address); /* broadcast or multicast */
/* Sends `n` bytes of payload, never fragmented. False: the link's queue is full. True says nothing about arrival. */
bool kg_ip_send(struct kg_ip *ip, uint8_t protocol, uint32_t to, uint32_t n);
uint16_t kg_path_mtu(struct kg_ip *ip, uint32_t to);
void kg_path_shrink(struct kg_ip *ip, uint32_t to, uint16_t mtu);

/* ICMP. Echo requests are answered here. An error about a packet of ours is described in `error`. */
struct kg_icmp_error {
    uint32_t to; /* of our packet */
    uint8_t protocol;
    uint8_t code;        /* of "destination unreachable" */
    uint16_t mtu;        /* of "fragmentation needed", otherwise 0 */
    const uint8_t *data; /* the first bytes of our packet's payload, at least 8 */
};
bool kg_icmp_input(struct kg_ip *ip, const struct kg_ipv4 *packet, struct kg_icmp_error *error); /* true: an error */
void kg_icmp_unreachable(struct kg_ip *ip, const struct kg_ipv4 *packet, uint8_t code);

/* UDP. */
void kg_udp_input(struct kg_ip *ip, const struct kg_ipv4 *packet);
bool kg_udp_bind(struct kg_ip *ip, const struct kg_udp_port *port); /* false: in use, or none free */
void kg_udp_unbind(struct kg_ip *ip, uint16_t port);
static inline uint8_t *kg_udp_payload(struct kg_ip *ip)
{
    return kg_ip_payload(ip) + KG_UDP_HEADER;
}
bool kg_udp_send(struct kg_ip *ip, uint16_t from_port, uint32_t to, uint16_t to_port, uint32_t n);

#endif
