/* A resolver for addresses of IPv4 (RFC 1035): one name at a time, two servers. */
#ifndef KGPT_NET_DNS_H
#define KGPT_NET_DNS_H

#include "kgpt/net.h"
#include "net/ip/ip.h"

#define KG_DNS_NAME 254u /* with the NUL */

struct kg_dns {
    struct kg_ip *ip;
    enum kg_net_lookup state;
    uint32_t servers[2];
    uint32_t tries;
    uint16_t id, port;
    uint64_t next_at; /* ms */
    uint32_t address;
    const char *problem;
    char name[KG_DNS_NAME]; /* lower case, without a dot at its end */
};

/* False: the name is none. */
bool kg_dns_start(struct kg_dns *dns, struct kg_ip *ip, const char *name, const uint32_t servers[2]);
void kg_dns_poll(struct kg_dns *dns);

/* dns_message.c. Returns the length of a query; `to` has room for KG_DNS_QUERY bytes. */
#define KG_DNS_QUERY 272u
uint32_t kg_dns_write(uint8_t *to, uint16_t id, const char *name);
/* Lower case. False: no name has this form. */
bool kg_dns_normal(const char *name, char to[KG_DNS_NAME]);

enum kg_dns_answer { KG_DNS_NOT_OURS, KG_DNS_FOUND, KG_DNS_NO_NAME, KG_DNS_NO_ADDRESS, KG_DNS_SERVER_FAILED };
enum kg_dns_answer kg_dns_read(const uint8_t *bytes, uint32_t n, uint16_t id, const char *name, uint32_t *address);

#endif
