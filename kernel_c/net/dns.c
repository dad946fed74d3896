/* The resolver: see dns.h. An answer is believed if it comes from the server's address and port, to our random port,
 * with our random number and our question. */
#include "dns.h"

#define DNS_PORT 53u
#define TRIES 6u /* the servers in turn */
#define FIRST_MS 1500u
#define PORT_FIRST 49152u
#define PORTS 16384u

static void end_lookup(struct kg_dns *dns, const char *problem)
{
    kg_udp_unbind(dns->ip, dns->port);
    dns->state = problem ? KG_NET_LOOKUP_FAILED : KG_NET_LOOKUP_DONE;
    dns->problem = problem;
}

static uint32_t server_of(const struct kg_dns *dns)
{
    uint32_t second = dns->servers[1] ? dns->servers[1] : dns->servers[0];
    return dns->tries % 2 ? second : dns->servers[0];
}

static void ask_dns_server(struct kg_dns *dns)
{
    uint32_t n = kg_dns_write(kg_udp_payload(dns->ip), dns->id, dns->name);
    kg_udp_send(dns->ip, dns->port, server_of(dns), DNS_PORT, n);
    dns->next_at = dns->ip->now + ((uint64_t)FIRST_MS << dns->tries / 2);
}

static void ask_next(struct kg_dns *dns, const char *problem)
{
    if (++dns->tries >= TRIES) {
        end_lookup(dns, problem);
        return;
    }
    ask_dns_server(dns);
}

static void receive_dns(void *context, uint32_t from, uint16_t from_port, const uint8_t *data, uint32_t n)
{
    struct kg_dns *dns = context;
    bool known = from_port == DNS_PORT && (from == dns->servers[0] || from == dns->servers[1]);
    enum kg_dns_answer answer = known ? kg_dns_read(data, n, dns->id, dns->name, &dns->address) : KG_DNS_NOT_OURS;
    switch (answer) {
    case KG_DNS_NOT_OURS: dns->ip->counters.not_for_us++; break;
    case KG_DNS_FOUND: end_lookup(dns, NULL); break;
    case KG_DNS_NO_NAME: end_lookup(dns, "the name does not exist"); break;
    case KG_DNS_NO_ADDRESS: end_lookup(dns, "the name has no IPv4 address"); break;
    case KG_DNS_SERVER_FAILED: ask_next(dns, "the DNS server failed"); break;
    }
}

bool kg_dns_start(struct kg_dns *dns, struct kg_ip *ip, const char *name, const uint32_t servers[2])
{
    if (dns->state == KG_NET_LOOKUP_RUNNING) {
        kg_udp_unbind(dns->ip, dns->port);
    }
    *dns = (struct kg_dns){.ip = ip, .servers = {servers[0], servers[1]}};
    if (!kg_dns_normal(name, dns->name)) {
        end_lookup(dns, "this is no host name");
        return false;
    }
    if (servers[0] == 0) {
        end_lookup(dns, "no DNS server is known");
        return false;
    }
    dns->id = (uint16_t)kg_ip_random(ip);
    dns->state = KG_NET_LOOKUP_RUNNING;
    struct kg_udp_port port = {.context = dns, .receive = receive_dns};
    do {
        port.port = dns->port = (uint16_t)(PORT_FIRST + kg_ip_random(ip) % PORTS);
    } while (!kg_udp_bind(ip, &port) && ++dns->tries < TRIES);
    dns->tries = 0;
    ask_dns_server(dns);
    return true;
}

void kg_dns_poll(struct kg_dns *dns)
{
    if (dns->state == KG_NET_LOOKUP_RUNNING && dns->ip->now >= dns->next_at) {
        ask_next(dns, "no DNS server answers");
    }
}
