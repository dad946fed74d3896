/* ARP (RFC 826, RFC 5227). A host is learnt when it asks for our address or answers us; what others say to each other
 * only refreshes what is known. */
#include "bytes.h"
#include "ip.h"

#include "kgpt/mem.h"

#define ARP_PACKET 28u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u
#define FRESH_MS 60000u  /* after that a known neighbour is asked again while its entry is used */
#define STALE_MS 120000u /* after that it is not used */
#define ASK_EVERY_MS 1000u
#define ASK_MOST 5u
#define WAIT_MS 3000u /* for a packet that waits for its neighbour */
#define DEFEND_MS 10000u

static const uint8_t of_nobody[6] = {0};

static struct kg_arp_entry *arp_entry(struct kg_ip *ip, uint32_t address)
{
    for (uint32_t i = 0; i < KG_ARP_ENTRIES; i++) {
        if (ip->arp[i].address == address) {
            return &ip->arp[i];
        }
    }
    return NULL;
}

/* True if `a` is the better one to give up: free, then unknown (a flood from made-up addresses makes such ones), then
 * not used for longer. */
static bool arp_is_less_useful(const struct kg_arp_entry *a, const struct kg_arp_entry *b)
{
    if (!a->address || !b->address) {
        return !a->address;
    }
    return a->known != b->known ? b->known : a->used < b->used;
}

static struct kg_arp_entry *arp_new_entry(struct kg_ip *ip, uint32_t address)
{
    struct kg_arp_entry *entry = &ip->arp[0];
    for (uint32_t i = 1; i < KG_ARP_ENTRIES; i++) {
        if (arp_is_less_useful(&ip->arp[i], entry)) {
            entry = &ip->arp[i];
        }
    }
    *entry = (struct kg_arp_entry){.address = address, .used = ip->now};
    return entry;
}

static void send_arp(struct kg_ip *ip, uint16_t operation, uint32_t from, uint32_t target, const uint8_t mac[6])
{
    uint8_t *p = ip->out + KG_ETHERNET_HEADER;
    kg_put16(p, 1);
    kg_put16(p + 2, KG_ETHERTYPE_IPV4);
    p[4] = 6;
    p[5] = 4;
    kg_put16(p + 6, operation);
    memcpy(p + 8, ip->link.mac, 6);
    kg_put32(p + 14, from);
    memcpy(p + 18, operation == ARP_REPLY ? mac : of_nobody, 6);
    kg_put32(p + 24, target);
    kg_ethernet_send(ip, mac, KG_ETHERTYPE_ARP, ARP_PACKET);
}

void kg_arp_probe(struct kg_ip *ip, uint32_t address)
{
    ip->probed = address;
    ip->probe_answered = false;
    send_arp(ip, ARP_REQUEST, 0, address, kg_ethernet_all);
}

void kg_arp_announce(struct kg_ip *ip)
{
    send_arp(ip, ARP_REQUEST, ip->address, ip->address, kg_ethernet_all);
}

void kg_arp_forget(struct kg_ip *ip)
{
    memset(ip->arp, 0, sizeof ip->arp);
    for (uint32_t i = 0; i < KG_ARP_WAITING; i++) {
        ip->waiting[i].address = 0;
    }
}

static void send_arp_waiting(struct kg_ip *ip, uint32_t address, const uint8_t mac[6])
{
    for (uint32_t i = 0; i < KG_ARP_WAITING; i++) {
        struct kg_arp_waiting *waiting = &ip->waiting[i];
        if (waiting->address == address) {
            memcpy(ip->out, waiting->frame, waiting->n);
            bool sent = kg_ethernet_send(ip, mac, KG_ETHERTYPE_IPV4, waiting->n - KG_ETHERNET_HEADER);
            waiting->address = sent ? 0 : address; /* a full link: with a later poll */
        }
    }
}

static void learn_arp(struct kg_ip *ip, uint32_t address, const uint8_t mac[6], bool for_us)
{
    struct kg_arp_entry *entry = arp_entry(ip, address);
    if (!entry && for_us && (address & ip->mask) == (ip->address & ip->mask)) {
        entry = arp_new_entry(ip, address);
    }
    if (entry) {
        memcpy(entry->mac, mac, 6);
        entry->known = true;
        entry->asked = 0;
        entry->confirmed = ip->now;
        send_arp_waiting(ip, address, mac);
    }
}

/* Another host says that it has our address (RFC 5227, 2.4 b): defend it, but not more often than every 10 seconds. */
static void defend_address(struct kg_ip *ip)
{
    ip->counters.conflicts++;
    if (ip->defended == 0 || ip->now - ip->defended >= DEFEND_MS) {
        ip->defended = ip->now ? ip->now : 1;
        kg_arp_announce(ip);
    }
}

void kg_arp_input(struct kg_ip *ip, const uint8_t *packet, size_t n)
{
    if (n < ARP_PACKET || kg_get16(packet) != 1 || kg_get16(packet + 2) != KG_ETHERTYPE_IPV4 || packet[4] != 6 ||
        packet[5] != 4) {
        ip->counters.malformed++;
        return;
    }
    uint16_t operation = kg_get16(packet + 6);
    const uint8_t *mac = packet + 8;
    uint32_t from = kg_get32(packet + 14), target = kg_get32(packet + 24);
    bool own = memcmp(mac, ip->link.mac, 6) == 0;
    if (own || (mac[0] & 1)) { /* our own, come back, or a group's address */
        return;
    }
    if (ip->probed && (from == ip->probed || (from == 0 && target == ip->probed))) {
        ip->probe_answered = true;
    }
    if (ip->address == 0) {
        return;
    }
    if (from == ip->address) {
        defend_address(ip);
        return;
    }
    bool for_us = target == ip->address;
    if (from && !kg_ip_is_broadcast(ip, from)) {
        learn_arp(ip, from, mac, for_us);
    }
    if (for_us && operation == ARP_REQUEST && kg_ip_may_reply(ip)) {
        send_arp(ip, ARP_REPLY, ip->address, from, mac);
    }
}

static void ask_arp(struct kg_ip *ip, struct kg_arp_entry *entry)
{
    if (entry->asked == 0 || ip->now - entry->asked_at >= ASK_EVERY_MS) {
        entry->asked_at = ip->now;
        entry->asked++;
        send_arp(ip, ARP_REQUEST, ip->address, entry->address, kg_ethernet_all);
    }
}

const uint8_t *kg_arp_find(struct kg_ip *ip, uint32_t address)
{
    struct kg_arp_entry *entry = arp_entry(ip, address);
    if (!entry) {
        entry = arp_new_entry(ip, address);
    }
    entry->used = ip->now;
    if (entry->known && ip->now - entry->confirmed >= STALE_MS) {
        entry->known = false;
        entry->asked = 0; /* what was asked while it was still used is not held against it */
    }
    return entry->known ? entry->mac : NULL;
}

void kg_arp_doubt(struct kg_ip *ip, uint32_t to)
{
    uint32_t next = (to & ip->mask) == (ip->address & ip->mask) ? to : ip->gateway;
    struct kg_arp_entry *entry = next ? arp_entry(ip, next) : NULL;
    if (entry && entry->known && ip->now - entry->confirmed < FRESH_MS) {
        entry->confirmed = ip->now - FRESH_MS;
    }
}

void kg_arp_wait(struct kg_ip *ip, uint32_t address, size_t n)
{
    struct kg_arp_waiting *waiting = &ip->waiting[0];
    for (uint32_t i = 0; i < KG_ARP_WAITING && waiting->address; i++) {
        if (ip->waiting[i].address == 0 || ip->waiting[i].since < waiting->since) {
            waiting = &ip->waiting[i];
        }
    }
    ip->counters.no_route += waiting->address != 0; /* a packet that makes room */
    waiting->address = address;
    waiting->since = ip->now;
    waiting->n = n;
    memcpy(waiting->frame, ip->out, n);
    struct kg_arp_entry *entry = arp_entry(ip, address);
    if (entry) {
        ask_arp(ip, entry);
    }
}

void kg_arp_poll(struct kg_ip *ip)
{
    for (uint32_t i = 0; i < KG_ARP_WAITING; i++) {
        const struct kg_arp_entry *entry = ip->waiting[i].address ? arp_entry(ip, ip->waiting[i].address) : NULL;
        if (entry && entry->known) {
            send_arp_waiting(ip, entry->address, entry->mac);
        }
        if (ip->waiting[i].address && ip->now - ip->waiting[i].since >= WAIT_MS) {
            ip->waiting[i].address = 0;
            ip->counters.no_route++;
        }
    }
    for (uint32_t i = 0; i < KG_ARP_ENTRIES; i++) {
        struct kg_arp_entry *entry = &ip->arp[i];
        bool refresh = entry->known && ip->now - entry->confirmed >= FRESH_MS && ip->now - entry->used < FRESH_MS;
        if (entry->address == 0 || !(refresh || (!entry->known && entry->asked))) {
            continue;
        }
        if (entry->asked >= ASK_MOST && ip->now - entry->asked_at >= ASK_EVERY_MS && !entry->known) {
            entry->address = 0;
        } else if (entry->asked < ASK_MOST) {
            ask_arp(ip, entry);
        }
    }
}
