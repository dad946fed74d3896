/* IPv4: see ip.h. */
#include "bytes.h"
#include "checksum.h"
#include "ip.h"

#include "kgpt/mem.h"

#define TTL 64u
#define DO_NOT_FRAGMENT 0x4000u
#define PATH_MS (10u * 60u * 1000u) /* RFC 1191: after ten minutes the path may be wider again */

bool kg_ipv4_read(struct kg_ip *ip, const uint8_t *bytes, size_t n, struct kg_ipv4 *packet)
{
    uint32_t header = n ? (bytes[0] & 15u) * 4 : 0;
    if (n < KG_IPV4_HEADER || bytes[0] >> 4 != 4 || header < KG_IPV4_HEADER || kg_get16(bytes + 2) < header ||
        kg_get16(bytes + 2) > n || !kg_checksum_good(kg_checksum_add(0, bytes, header))) {
        ip->counters.malformed++;
        return false;
    }
    *packet = (struct kg_ipv4){.from = kg_get32(bytes + 12),
                               .to = kg_get32(bytes + 16),
                               .protocol = bytes[9],
                               .header = bytes,
                               .data = bytes + header,
                               .n = kg_get16(bytes + 2) - header};
    /* A sender is one host: not a group, not this host, not a loopback. */
    if (kg_ip_is_broadcast(ip, packet->from) || packet->from >> 24 == 127 ||
        (packet->from == ip->address && ip->address)) {
        ip->counters.malformed++;
        return false;
    }
    if (kg_get16(bytes + 6) & 0x3FFF) {
        ip->counters.fragments++;
        return false;
    }
    return true;
}

static struct kg_path *path_to(struct kg_ip *ip, uint32_t to)
{
    for (uint32_t i = 0; i < KG_PATHS; i++) {
        if (ip->paths[i].address == to && ip->now < ip->paths[i].until) {
            return &ip->paths[i];
        }
    }
    return NULL;
}

uint16_t kg_path_mtu(struct kg_ip *ip, uint32_t to)
{
    const struct kg_path *path = path_to(ip, to);
    return path && path->mtu < ip->link.mtu ? path->mtu : ip->link.mtu;
}

void kg_path_shrink(struct kg_ip *ip, uint32_t to, uint16_t mtu)
{
    struct kg_path *path = path_to(ip, to);
    if (!path) {
        path = &ip->paths[0];
        for (uint32_t i = 1; i < KG_PATHS; i++) {
            path = ip->paths[i].until < path->until ? &ip->paths[i] : path;
        }
        path->mtu = ip->link.mtu;
    }
    path->address = to;
    path->until = ip->now + PATH_MS;
    path->mtu = mtu < KG_PATH_MTU_LEAST ? KG_PATH_MTU_LEAST : mtu < path->mtu ? mtu : path->mtu;
}

static void write_ipv4_header(struct kg_ip *ip, uint8_t protocol, uint32_t to, uint32_t n)
{
    uint8_t *header = ip->out + KG_ETHERNET_HEADER;
    memset(header, 0, KG_IPV4_HEADER);
    header[0] = 0x45;
    kg_put16(header + 2, KG_IPV4_HEADER + n);
    kg_put16(header + 4, ip->id++);
    kg_put16(header + 6, DO_NOT_FRAGMENT);
    header[8] = TTL;
    header[9] = protocol;
    kg_put32(header + 12, ip->address);
    kg_put32(header + 16, to);
    kg_checksum_put(kg_checksum_add(0, header, KG_IPV4_HEADER), header + 10);
}

bool kg_ip_send(struct kg_ip *ip, uint8_t protocol, uint32_t to, uint32_t n)
{
    write_ipv4_header(ip, protocol, to, n);
    if (kg_ip_is_broadcast(ip, to)) {
        return kg_ethernet_send(ip, kg_ethernet_all, KG_ETHERTYPE_IPV4, KG_IPV4_HEADER + n);
    }
    uint32_t next = (to & ip->mask) == (ip->address & ip->mask) ? to : ip->gateway;
    if (ip->address == 0 || next == 0) {
        ip->counters.no_route++;
        return true;
    }
    const uint8_t *mac = kg_arp_find(ip, next);
    if (!mac) {
        kg_arp_wait(ip, next, KG_ETHERNET_HEADER + KG_IPV4_HEADER + n);
        return true;
    }
    return kg_ethernet_send(ip, mac, KG_ETHERTYPE_IPV4, KG_IPV4_HEADER + n);
}
