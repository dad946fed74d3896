/* Ethernet frames, kinds of addresses, randomness and the rate limit of replies: see ip.h. */
#include "bytes.h"
#include "ip.h"

#include "kgpt/mem.h"

#define REPLIES_PER_MS 1u
#define REPLIES_MOST 200u /* at once */

const uint8_t kg_ethernet_all[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

void kg_ip_init(struct kg_ip *ip, const struct kg_net_link *link)
{
    memset(ip, 0, sizeof *ip);
    ip->link = *link;
    ip->link.mtu = link->mtu < KG_NET_MTU ? link->mtu : KG_NET_MTU;
    ip->now = link->now_ms(link->context);
    ip->tokens_at = ip->now;
    ip->tokens = REPLIES_MOST;
    link->random(link->context, ip->key, sizeof ip->key);
    link->random(link->context, &ip->id, sizeof ip->id);
}

uint32_t kg_ip_random(struct kg_ip *ip)
{
    uint32_t value;
    ip->link.random(ip->link.context, &value, sizeof value);
    return value;
}

bool kg_ip_may_reply(struct kg_ip *ip)
{
    uint64_t more = (ip->now - ip->tokens_at) * REPLIES_PER_MS + ip->tokens;
    ip->tokens = more < REPLIES_MOST ? (uint32_t)more : REPLIES_MOST;
    ip->tokens_at = ip->now;
    if (ip->tokens == 0) {
        ip->counters.limited++;
        return false;
    }
    ip->tokens--;
    return true;
}

bool kg_ip_is_broadcast(const struct kg_ip *ip, uint32_t address)
{
    return address == KG_BROADCAST || address >> 28 == 0xE ||
           (ip->address && ip->mask < KG_BROADCAST - 1 && address == (ip->address | ~ip->mask));
}

bool kg_ethernet_send(struct kg_ip *ip, const uint8_t to[6], uint16_t type, size_t payload)
{
    memcpy(ip->out, to, 6);
    memcpy(ip->out + 6, ip->link.mac, 6);
    kg_put16(ip->out + 12, type);
    if (!ip->link.send(ip->link.context, ip->out, KG_ETHERNET_HEADER + payload)) {
        ip->counters.queue_full++;
        return false;
    }
    ip->counters.sent++;
    return true;
}
