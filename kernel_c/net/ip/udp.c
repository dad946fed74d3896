/* UDP: see ip.h. */
#include "bytes.h"
#include "checksum.h"
#include "ip.h"

#include "kgpt/mem.h"

#define PORT_UNREACHABLE 3u

static struct kg_udp_port *udp_port(struct kg_ip *ip, uint16_t port)
{
    for (uint32_t i = 0; i < KG_UDP_PORTS; i++) {
        if (ip->udp[i].port == port) {
            return &ip->udp[i];
        }
    }
    return NULL;
}

bool kg_udp_bind(struct kg_ip *ip, const struct kg_udp_port *port)
{
    struct kg_udp_port *free = udp_port(ip, 0);
    if (udp_port(ip, port->port) || !free) {
        return false;
    }
    *free = *port;
    return true;
}

void kg_udp_unbind(struct kg_ip *ip, uint16_t port)
{
    struct kg_udp_port *bound = port ? udp_port(ip, port) : NULL;
    if (bound) {
        bound->port = 0;
    }
}

void kg_udp_input(struct kg_ip *ip, const struct kg_ipv4 *packet)
{
    const uint8_t *data = packet->data;
    uint32_t n = packet->n >= KG_UDP_HEADER ? kg_get16(data + 4) : 0;
    if (n < KG_UDP_HEADER || n > packet->n || kg_get16(data) == 0 || kg_get16(data + 2) == 0) {
        ip->counters.malformed++;
        return;
    }
    /* A checksum of 0 means that the sender computed none. */
    uint64_t sum = kg_checksum_pseudo(packet->from, packet->to, KG_PROTOCOL_UDP, n);
    if (kg_get16(data + 6) && !kg_checksum_good(kg_checksum_add(sum, data, n))) {
        ip->counters.bad_checksums++;
        return;
    }
    const struct kg_udp_port *port = udp_port(ip, kg_get16(data + 2));
    if (!port) {
        ip->counters.not_for_us++;
        kg_icmp_unreachable(ip, packet, PORT_UNREACHABLE);
        return;
    }
    port->receive(port->context, packet->from, kg_get16(data), data + KG_UDP_HEADER, n - KG_UDP_HEADER);
}

bool kg_udp_send(struct kg_ip *ip, uint16_t from_port, uint32_t to, uint16_t to_port, uint32_t n)
{
    uint8_t *header = kg_ip_payload(ip);
    uint32_t length = KG_UDP_HEADER + n;
    kg_put16(header, from_port);
    kg_put16(header + 2, to_port);
    kg_put16(header + 4, length);
    kg_put16(header + 6, 0);
    uint64_t sum = kg_checksum_pseudo(ip->address, to, KG_PROTOCOL_UDP, length);
    kg_checksum_put(kg_checksum_add(sum, header, length), header + 6);
    if (kg_get16(header + 6) == 0) {
        kg_put16(header + 6, 0xFFFF);
    }
    return kg_ip_send(ip, KG_PROTOCOL_UDP, to, length);
}
