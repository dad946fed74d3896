/* The states of a DHCP client: see dhcp.h. */
#include "dhcp.h"

#include "kgpt/mem.h"

#define CLIENT_PORT 68u
#define SERVER_PORT 67u
#define FIRST_MS 1000u /* the first retransmission; doubled each time */
#define MOST_MS 16000u
#define REQUESTS 4u /* without an answer: begin again */
#define PROBES 2u
#define PROBE_MS 250u
#define REFUSED_MS 2000u
#define DECLINED_MS 10000u /* RFC 2131, 3.1.5 */
#define RENEW_LEAST_MS 2000u

static void send_dhcp(struct kg_dhcp *dhcp, uint8_t message)
{
    struct kg_ip *ip = dhcp->ip;
    bool renews = dhcp->state == KG_DHCP_RENEWING || dhcp->state == KG_DHCP_REBINDING;
    uint64_t seconds = (ip->now - dhcp->began) / 1000;
    struct kg_dhcp_request request = {
        .message = message, .xid = dhcp->xid, .seconds = (uint16_t)(seconds < 65535 ? seconds : 65535)};
    if (renews) {
        request.ciaddr = dhcp->lease.address;
    } else if (message != KG_DHCP_DISCOVER) {
        request.requested = dhcp->lease.address;
        request.server = dhcp->lease.server;
    }
    kg_dhcp_write(kg_udp_payload(ip), &request, ip->link.mac);
    uint32_t to = dhcp->state == KG_DHCP_RENEWING ? dhcp->lease.server : KG_BROADCAST;
    kg_udp_send(ip, CLIENT_PORT, to, SERVER_PORT, KG_DHCP_SIZE);
}

/* The time until the next message, with some randomness, so that machines that start together do not stay together. */
static void wait_longer(struct kg_dhcp *dhcp)
{
    uint32_t ms = dhcp->tries < 5 ? FIRST_MS << dhcp->tries : MOST_MS;
    ms = ms < MOST_MS ? ms : MOST_MS;
    dhcp->next_at = dhcp->ip->now + ms - ms / 8 + kg_ip_random(dhcp->ip) % (ms / 4);
    dhcp->tries++;
}

static void begin_dhcp(struct kg_dhcp *dhcp)
{
    dhcp->state = KG_DHCP_SELECTING;
    dhcp->xid = kg_ip_random(dhcp->ip);
    dhcp->began = dhcp->ip->now;
    dhcp->tries = 0;
    dhcp->lease = (struct kg_dhcp_lease){0};
    send_dhcp(dhcp, KG_DHCP_DISCOVER);
    wait_longer(dhcp);
}

static void refuse_lease(struct kg_dhcp *dhcp, const char *problem, uint32_t ms)
{
    struct kg_ip *ip = dhcp->ip;
    dhcp->lost = dhcp->lost || ip->address;
    dhcp->problem = problem;
    dhcp->state = KG_DHCP_WAITING;
    dhcp->next_at = ip->now + ms;
    ip->address = ip->mask = ip->gateway = ip->probed = 0;
    kg_arp_forget(ip);
}

static uint64_t after_seconds(uint64_t now, uint32_t seconds)
{
    return seconds == UINT32_MAX ? UINT64_MAX : now + (uint64_t)seconds * 1000;
}

static void start_lease_times(struct kg_dhcp *dhcp, const struct kg_dhcp_lease *lease)
{
    uint32_t seconds = lease->seconds, t1 = lease->t1, t2 = lease->t2;
    if (t2 == 0 || t2 >= seconds) {
        t2 = (uint32_t)((uint64_t)seconds * 7 / 8);
    }
    if (t1 == 0 || t1 >= t2) {
        t1 = seconds / 2 < t2 ? seconds / 2 : t2;
    }
    bool forever = seconds == UINT32_MAX;
    dhcp->end_at = after_seconds(dhcp->ip->now, seconds);
    dhcp->t1_at = forever ? UINT64_MAX : after_seconds(dhcp->ip->now, t1);
    dhcp->t2_at = forever ? UINT64_MAX : after_seconds(dhcp->ip->now, t2);
    dhcp->next_at = dhcp->t1_at;
    dhcp->state = KG_DHCP_BOUND;
    dhcp->problem = NULL;
}

static void bind_lease(struct kg_dhcp *dhcp)
{
    struct kg_ip *ip = dhcp->ip;
    const struct kg_dhcp_lease *lease = &dhcp->lease;
    ip->probed = 0;
    kg_arp_forget(ip);
    ip->address = lease->address;
    ip->mask = lease->mask ? lease->mask : 0xFFFFFF00;
    ip->gateway = lease->gateway;
    if (lease->mtu >= KG_PATH_MTU_LEAST && lease->mtu < ip->link.mtu) {
        ip->link.mtu = lease->mtu;
    }
    start_lease_times(dhcp, lease);
    kg_arp_announce(ip);
}

static bool is_host(const struct kg_ip *ip, uint32_t address)
{
    return address && address >> 24 != 127 && address >> 28 < 0xE && !kg_ip_is_broadcast(ip, address);
}

static void take_dhcp_answer(struct kg_dhcp *dhcp, const struct kg_dhcp_lease *answer)
{
    bool lease = is_host(dhcp->ip, answer->address) && answer->server && answer->seconds;
    bool renews = dhcp->state == KG_DHCP_RENEWING || dhcp->state == KG_DHCP_REBINDING;
    if (dhcp->state == KG_DHCP_SELECTING && answer->message == KG_DHCP_OFFER && is_host(dhcp->ip, answer->address) &&
        answer->server) {
        dhcp->lease = *answer;
        dhcp->state = KG_DHCP_REQUESTING;
        dhcp->tries = 0;
        send_dhcp(dhcp, KG_DHCP_REQUEST);
        wait_longer(dhcp);
    } else if (dhcp->state == KG_DHCP_REQUESTING && answer->message == KG_DHCP_ACK && lease &&
               answer->server == dhcp->lease.server) {
        dhcp->lease = *answer;
        dhcp->state = KG_DHCP_PROBING;
        dhcp->ip->probe_answered = false;
        dhcp->tries = 0;
        dhcp->next_at = dhcp->ip->now;
        kg_dhcp_poll(dhcp);
    } else if (renews && answer->message == KG_DHCP_ACK && lease && answer->address == dhcp->lease.address) {
        dhcp->lease.server = answer->server;
        start_lease_times(dhcp, answer);
    } else if (answer->message == KG_DHCP_NAK &&
               (renews || (dhcp->state == KG_DHCP_REQUESTING && answer->server == dhcp->lease.server))) {
        refuse_lease(dhcp, "the DHCP server refused the address", REFUSED_MS);
    }
}

static void receive_dhcp(void *context, uint32_t from, uint16_t from_port, const uint8_t *data, uint32_t n)
{
    struct kg_dhcp *dhcp = context;
    struct kg_dhcp_lease answer;
    (void)from;
    if (from_port == SERVER_PORT && kg_dhcp_read(data, n, dhcp->xid, dhcp->ip->link.mac, &answer)) {
        take_dhcp_answer(dhcp, &answer);
    } else {
        dhcp->ip->counters.malformed++;
    }
}

void kg_dhcp_start(struct kg_dhcp *dhcp, struct kg_ip *ip)
{
    *dhcp = (struct kg_dhcp){.ip = ip, .had_link = true, .problem = "no DHCP server has answered yet"};
    struct kg_udp_port port = {CLIENT_PORT, dhcp, receive_dhcp};
    kg_udp_bind(ip, &port);
    begin_dhcp(dhcp);
}

/* Probes, and then uses the address, or declines it (RFC 5227; fewer probes than there, for a quick start). */
static void probe_address(struct kg_dhcp *dhcp)
{
    if (dhcp->ip->probe_answered) {
        send_dhcp(dhcp, KG_DHCP_DECLINE);
        refuse_lease(dhcp, "another host has the address that the DHCP server offered", DECLINED_MS);
    } else if (dhcp->tries == PROBES) {
        bind_lease(dhcp);
    } else {
        kg_arp_probe(dhcp->ip, dhcp->lease.address);
        dhcp->tries++;
        dhcp->next_at = dhcp->ip->now + PROBE_MS;
    }
}

/* RFC 2131, 4.4.5: each message after half of the time that is left. */
static void renew_lease(struct kg_dhcp *dhcp)
{
    uint64_t now = dhcp->ip->now;
    if (now >= dhcp->end_at) {
        refuse_lease(dhcp, "the lease of the address has ended", 0);
        return;
    }
    if (dhcp->state == KG_DHCP_BOUND) {
        dhcp->xid = kg_ip_random(dhcp->ip);
        dhcp->began = now;
    }
    dhcp->state = now >= dhcp->t2_at ? KG_DHCP_REBINDING : KG_DHCP_RENEWING;
    uint64_t end = dhcp->state == KG_DHCP_REBINDING ? dhcp->end_at : dhcp->t2_at, half = (end - now) / 2;
    dhcp->next_at = now + (half > RENEW_LEAST_MS ? half : RENEW_LEAST_MS);
    dhcp->next_at = dhcp->next_at < end ? dhcp->next_at : end;
    send_dhcp(dhcp, KG_DHCP_REQUEST);
}

/* A cable that comes back may lead into another network: ask whether the address still holds there. */
static void watch_link(struct kg_dhcp *dhcp)
{
    bool link = dhcp->ip->link.has_link(dhcp->ip->link.context);
    bool came = link && !dhcp->had_link;
    dhcp->had_link = link;
    if (!came) {
        return;
    }
    if (dhcp->state >= KG_DHCP_BOUND && dhcp->end_at != UINT64_MAX) {
        dhcp->state = KG_DHCP_BOUND;
        dhcp->t1_at = dhcp->t2_at = dhcp->next_at = dhcp->ip->now;
    } else if (dhcp->state < KG_DHCP_BOUND) {
        begin_dhcp(dhcp);
    }
}

void kg_dhcp_poll(struct kg_dhcp *dhcp)
{
    if (dhcp->state == KG_DHCP_OFF) {
        return;
    }
    watch_link(dhcp);
    if (dhcp->ip->now < dhcp->next_at) {
        return;
    }
    switch (dhcp->state) {
    case KG_DHCP_OFF: break;
    case KG_DHCP_WAITING: begin_dhcp(dhcp); break;
    case KG_DHCP_SELECTING:
        send_dhcp(dhcp, KG_DHCP_DISCOVER);
        wait_longer(dhcp);
        break;
    case KG_DHCP_REQUESTING:
        if (dhcp->tries >= REQUESTS) {
            begin_dhcp(dhcp);
            break;
        }
        send_dhcp(dhcp, KG_DHCP_REQUEST);
        wait_longer(dhcp);
        break;
    case KG_DHCP_PROBING: probe_address(dhcp); break;
    case KG_DHCP_BOUND:
    case KG_DHCP_RENEWING:
    case KG_DHCP_REBINDING: renew_lease(dhcp); break;
    }
}

uint64_t kg_dhcp_next(const struct kg_dhcp *dhcp)
{
    return dhcp->state == KG_DHCP_OFF ? UINT64_MAX : dhcp->next_at;
}
