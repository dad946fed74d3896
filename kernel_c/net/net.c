/* The stack: its memory, and the way of a frame: see kgpt/net.h. */
#include "kgpt/net.h"

#include "net_state.h"

#include "kgpt/mem.h"
#include "net/ip/bytes.h"

#define FRAMES 64u /* at most, of one poll: then timers have their turn */
#define PROTOCOL_UNREACHABLE 2u
#define SPARE_DIVISOR 4u

/* Slots beyond the numbers of a server: for connections that are closed and still send. */
static uint32_t server_slots(const struct kg_net_limits *limits)
{
    return limits->servers + limits->servers / SPARE_DIVISOR + 1;
}

struct kg_net_limits kg_net_usual_limits(void)
{
    return (struct kg_net_limits){.servers = 65, /* 64 that are held, and a place for the next client */
                                  .clients = 2,
                                  .server_buffer = 48 << 10,
                                  .client_buffer = 512 << 10,
                                  .half_open = 128,
                                  .waiting = 256};
}

bool kg_net_carve(struct kg_net_memory *memory, const struct kg_net_limits *limits, struct kg_arena *arena)
{
    uint32_t slots = server_slots(limits);
    size_t buffers = kg_arena_times(slots, 2 * (size_t)limits->server_buffer);
    size_t more = kg_arena_times(limits->clients, 2 * (size_t)limits->client_buffer);
    buffers = buffers > SIZE_MAX - more ? SIZE_MAX : buffers + more;
    memory->limits = *limits;
    memory->net = kg_arena_take(arena, sizeof *memory->net);
    memory->connections = kg_arena_array(arena, slots + limits->clients, sizeof *memory->connections);
    memory->half = kg_arena_array(arena, limits->half_open, sizeof *memory->half);
    memory->waiting = kg_arena_array(arena, limits->waiting, sizeof *memory->waiting);
    memory->numbers = kg_arena_array(arena, (size_t)KG_TCP_LISTENERS * limits->servers, sizeof *memory->numbers);
    memory->buffers = kg_arena_take(arena, buffers);
    return memory->net && memory->connections && memory->half && memory->waiting && memory->numbers && memory->buffers;
}

static void start_tcp(struct kg_net *net, const struct kg_net_memory *memory)
{
    const struct kg_net_limits *limits = &memory->limits;
    uint32_t slots = server_slots(limits);
    uint8_t *next = memory->buffers;
    net->tcp = (struct kg_tcp){.ip = &net->ip,
                               .connections = memory->connections,
                               .half = memory->half,
                               .waiting = memory->waiting,
                               .n_connections = slots + limits->clients,
                               .n_half = limits->half_open,
                               .n_waiting = limits->waiting};
    memset(memory->connections, 0, net->tcp.n_connections * sizeof *memory->connections);
    memset(memory->half, 0, limits->half_open * sizeof *memory->half);
    memset(memory->waiting, 0, limits->waiting * sizeof *memory->waiting);
    for (uint32_t i = 0; i < net->tcp.n_connections; i++) {
        struct kg_tcp_connection *c = &memory->connections[i];
        c->client = i >= slots;
        uint32_t size = c->client ? limits->client_buffer : limits->server_buffer;
        c->sent = (struct kg_tcp_ring){.bytes = next, .size = size};
        c->received = (struct kg_tcp_ring){.bytes = next + size, .size = size};
        next += 2 * (size_t)size;
    }
    memset(memory->numbers, 0, (size_t)KG_TCP_LISTENERS * limits->servers * sizeof(struct kg_tcp_connection *));
    for (uint32_t i = 0; i < KG_TCP_LISTENERS; i++) {
        net->servers[i] = (struct kg_net_server){.net = net, .number = memory->numbers + (size_t)i * limits->servers};
    }
}

struct kg_net *kg_net_start(const struct kg_net_memory *memory, const struct kg_net_link *link,
                            const struct kg_net_settings *settings)
{
    struct kg_net *net = memory->net;
    memset(net, 0, sizeof *net);
    net->limits = memory->limits;
    net->settings = *settings;
    kg_ip_init(&net->ip, link);
    start_tcp(net, memory);
    if (!settings->dhcp) {
        net->ip.address = settings->address;
        net->ip.mask = settings->mask;
        net->ip.gateway = settings->gateway;
        kg_arp_announce(&net->ip);
    } else {
        kg_dhcp_start(&net->dhcp, &net->ip);
    }
    return net;
}

static void input_ipv4(struct kg_net *net, const uint8_t *bytes, size_t n)
{
    struct kg_ip *ip = &net->ip;
    struct kg_ipv4 packet;
    struct kg_icmp_error error;
    if (!kg_ipv4_read(ip, bytes, n, &packet)) {
        return;
    }
    /* Without an address only DHCP receives: its answers are sent to the address that is offered. */
    bool ours = packet.to == ip->address && ip->address;
    bool udp = packet.protocol == KG_PROTOCOL_UDP && (ip->address == 0 || kg_ip_is_broadcast(ip, packet.to));
    if (!ours && !udp) {
        ip->counters.not_for_us++;
    } else if (packet.protocol == KG_PROTOCOL_UDP) {
        kg_udp_input(ip, &packet);
    } else if (packet.protocol == KG_PROTOCOL_TCP) {
        kg_tcp_input(&net->tcp, &packet);
    } else if (packet.protocol != KG_PROTOCOL_ICMP) {
        ip->counters.not_for_us++;
        kg_icmp_unreachable(ip, &packet, PROTOCOL_UNREACHABLE);
    } else if (kg_icmp_input(ip, &packet, &error) && error.protocol == KG_PROTOCOL_TCP) {
        kg_tcp_icmp(&net->tcp, &error);
    }
}

static void input_frame(struct kg_net *net, const uint8_t *frame, size_t n)
{
    struct kg_ip *ip = &net->ip;
    ip->counters.received++;
    if (n < KG_ETHERNET_HEADER) {
        ip->counters.malformed++;
        return;
    }
    bool ours = memcmp(frame, ip->link.mac, 6) == 0 || (frame[0] & 1);
    uint16_t type = kg_get16(frame + 12);
    if (!ours || (type != KG_ETHERTYPE_ARP && type != KG_ETHERTYPE_IPV4)) {
        ip->counters.not_for_us++;
    } else if (type == KG_ETHERTYPE_ARP) {
        kg_arp_input(ip, frame + KG_ETHERNET_HEADER, n - KG_ETHERNET_HEADER);
    } else {
        input_ipv4(net, frame + KG_ETHERNET_HEADER, n - KG_ETHERNET_HEADER);
    }
}

bool kg_net_poll(struct kg_net *net)
{
    struct kg_ip *ip = &net->ip;
    size_t n = 0;
    uint32_t frames = 0;
    ip->now = ip->link.now_ms(ip->link.context);
    while (frames < FRAMES && (n = ip->link.receive(ip->link.context, ip->in, sizeof ip->in)) > 0) {
        input_frame(net, ip->in, n);
        frames++;
    }
    kg_dhcp_poll(&net->dhcp);
    if (net->dhcp.lost) {
        net->dhcp.lost = false;
        kg_tcp_lose_all(&net->tcp, "the address is gone");
    }
    kg_arp_poll(ip);
    kg_dns_poll(&net->dns);
    kg_tcp_poll(&net->tcp);
    return frames > 0;
}

uint64_t kg_net_next(const struct kg_net *net)
{
    uint64_t next = kg_tcp_next(&net->tcp), dhcp = kg_dhcp_next(&net->dhcp);
    next = dhcp < next ? dhcp : next;
    return net->dns.state == KG_NET_LOOKUP_RUNNING && net->dns.next_at < next ? net->dns.next_at : next;
}

void kg_net_wait(struct kg_net *net, uint32_t ms)
{
    struct kg_ip *ip = &net->ip;
    uint64_t end = ip->link.now_ms(ip->link.context) + ms;
    while (!kg_net_poll(net) && ip->now < end) {
        uint64_t next = kg_net_next(net), left = end - ip->now;
        left = next < end ? (next > ip->now ? next - ip->now : 1) : left;
        if (ip->link.relax) {
            ip->link.relax(ip->link.context, (uint32_t)left);
        }
    }
}

struct kg_net_status kg_net_status(const struct kg_net *net)
{
    const struct kg_ip *ip = &net->ip;
    struct kg_net_status status = {.link = ip->link.has_link(ip->link.context),
                                   .address = ip->address,
                                   .mask = ip->mask,
                                   .gateway = ip->gateway,
                                   .dns = {net->settings.dns[0], net->settings.dns[1]},
                                   .problem = ip->address ? NULL : net->dhcp.problem,
                                   .counters = &ip->counters};
    if (status.dns[0] == 0 && ip->address && net->settings.dhcp) {
        status.dns[0] = net->dhcp.lease.dns[0];
        status.dns[1] = net->dhcp.lease.dns[1];
    }
    for (uint32_t i = 0; i < net->tcp.n_connections; i++) {
        status.open += net->tcp.connections[i].state != KG_TCP_FREE;
    }
    return status;
}
