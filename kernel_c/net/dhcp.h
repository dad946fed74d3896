/* A client of DHCP (RFC 2131): an address, and its lease. */
#ifndef KGPT_NET_DHCP_H
#define KGPT_NET_DHCP_H

#include "net/ip/ip.h"

enum kg_dhcp_state {
    KG_DHCP_OFF,
    KG_DHCP_WAITING, /* after a refusal */
    KG_DHCP_SELECTING,
    KG_DHCP_REQUESTING,
    KG_DHCP_PROBING, /* asks by ARP whether somebody has the address */
    KG_DHCP_BOUND,
    KG_DHCP_RENEWING,
    KG_DHCP_REBINDING,
};

struct kg_dhcp_lease {
    uint8_t message; /* DHCP message type */
    uint32_t address, server, mask, gateway;
    uint32_t dns[2];
    uint32_t seconds, t1, t2; /* 0: not said */
    uint16_t mtu;
};

struct kg_dhcp {
    struct kg_ip *ip;
    enum kg_dhcp_state state;
    uint32_t xid, tries;
    uint64_t began, next_at; /* ms */
    struct kg_dhcp_lease lease;
    uint64_t t1_at, t2_at, end_at; /* UINT64_MAX: never */
    bool had_link, lost;           /* lost: the address is gone; the reader clears it */
    const char *problem;
};

void kg_dhcp_start(struct kg_dhcp *dhcp, struct kg_ip *ip);
void kg_dhcp_poll(struct kg_dhcp *dhcp);
uint64_t kg_dhcp_next(const struct kg_dhcp *dhcp);

/* dhcp_message.c. Reads a server's message to us. False: it is none. */
bool kg_dhcp_read(const uint8_t *bytes, uint32_t n, uint32_t xid, const uint8_t mac[6], struct kg_dhcp_lease *lease);

struct kg_dhcp_request {
    uint8_t message;
    uint32_t xid, ciaddr, requested, server; /* 0: left out */
    uint16_t seconds;
};
#define KG_DHCP_SIZE 300u
void kg_dhcp_write(uint8_t *to, const struct kg_dhcp_request *request, const uint8_t mac[6]); /* KG_DHCP_SIZE bytes */

#define KG_DHCP_DISCOVER 1u
#define KG_DHCP_OFFER 2u
#define KG_DHCP_REQUEST 3u
#define KG_DHCP_DECLINE 4u
#define KG_DHCP_ACK 5u
#define KG_DHCP_NAK 6u

#endif
