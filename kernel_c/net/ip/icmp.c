/* ICMP: answers echo requests, and reads errors about packets of ours (RFC 792, RFC 1122, RFC 1191). */
#include "bytes.h"
#include "checksum.h"
#include "ip.h"

#include "kgpt/mem.h"

#define ICMP_HEADER 8u
#define ECHO_REPLY 0u
#define UNREACHABLE 3u
#define ECHO_REQUEST 8u
#define FRAGMENTATION_NEEDED 4u

static void send_icmp(struct kg_ip *ip, uint32_t to, uint32_t n)
{
    uint8_t *out = kg_ip_payload(ip);
    kg_put16(out + 2, 0);
    kg_checksum_put(kg_checksum_add(0, out, n), out + 2);
    kg_ip_send(ip, KG_PROTOCOL_ICMP, to, n);
}

static bool read_unreachable(struct kg_ip *ip, const struct kg_ipv4 *packet, struct kg_icmp_error *error)
{
    const uint8_t *ours = packet->data + ICMP_HEADER;
    uint32_t n = packet->n - ICMP_HEADER, header = n ? (ours[0] & 15u) * 4 : 0;
    if (n < KG_IPV4_HEADER || header < KG_IPV4_HEADER || ours[0] >> 4 != 4 || n < header + 8 ||
        kg_get32(ours + 12) != ip->address) {
        ip->counters.malformed++;
        return false;
    }
    *error = (struct kg_icmp_error){
        .to = kg_get32(ours + 16), .protocol = ours[9], .code = packet->data[1], .data = ours + header};
    error->mtu = error->code == FRAGMENTATION_NEEDED ? kg_get16(packet->data + 6) : 0;
    return true;
}

bool kg_icmp_input(struct kg_ip *ip, const struct kg_ipv4 *packet, struct kg_icmp_error *error)
{
    if (packet->n < ICMP_HEADER) {
        ip->counters.malformed++;
        return false;
    }
    if (!kg_checksum_good(kg_checksum_add(0, packet->data, packet->n))) {
        ip->counters.bad_checksums++;
        return false;
    }
    if (packet->data[0] == UNREACHABLE) {
        return read_unreachable(ip, packet, error);
    }
    if (packet->data[0] != ECHO_REQUEST || packet->to != ip->address ||
        packet->n > (uint32_t)ip->link.mtu - KG_IPV4_HEADER) {
        ip->counters.not_for_us++;
    } else if (kg_ip_may_reply(ip)) {
        memcpy(kg_ip_payload(ip), packet->data, packet->n);
        kg_ip_payload(ip)[0] = ECHO_REPLY;
        send_icmp(ip, packet->from, packet->n);
    }
    return false;
}

void kg_icmp_unreachable(struct kg_ip *ip, const struct kg_ipv4 *packet, uint8_t code)
{
    uint8_t *out = kg_ip_payload(ip);
    uint32_t header = (uint32_t)(packet->data - packet->header), n = header + (packet->n < 8 ? packet->n : 8);
    if (packet->to != ip->address || ip->address == 0 || !kg_ip_may_reply(ip)) {
        return;
    }
    memset(out, 0, ICMP_HEADER);
    out[0] = UNREACHABLE;
    out[1] = code;
    memcpy(out + ICMP_HEADER, packet->header, n);
    send_icmp(ip, packet->from, ICMP_HEADER + n);
}
