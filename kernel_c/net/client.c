/* Connections to servers, and names: see kgpt/net.h. A number is a place in the table of connections. */
#include "kgpt/net.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "net_state.h"

#define PORT_FIRST 49152u
#define PORTS 16384u
#define PORT_TRIES 8u

static struct kg_tcp_connection *client_of(const struct kg_net *net, int32_t client)
{
    if (client < 0 || (uint32_t)client >= net->tcp.n_connections) {
        return NULL;
    }
    struct kg_tcp_connection *c = &net->tcp.connections[client];
    return c->client && c->held ? c : NULL;
}

int32_t kg_net_connect(struct kg_net *net, uint32_t address, uint16_t port)
{
    if (net->ip.address == 0 || address == 0 || port == 0 || kg_ip_is_broadcast(&net->ip, address)) {
        return -1;
    }
    struct kg_tcp_connection *c = kg_tcp_connect(&net->tcp, address, port);
    return c ? (int32_t)(c - net->tcp.connections) : -1;
}

enum kg_net_client kg_net_client_state(const struct kg_net *net, int32_t client, const char **problem)
{
    const struct kg_tcp_connection *c = client_of(net, client);
    if (problem) {
        *problem = c ? c->problem : "there is no such connection";
    }
    if (!c || c->state == KG_TCP_LOST) {
        return KG_NET_FAILED;
    }
    switch (c->state) {
    case KG_TCP_SYN_SENT:
    case KG_TCP_SYN_RECEIVED: return KG_NET_CONNECTING;
    case KG_TCP_ESTABLISHED:
    case KG_TCP_FIN_WAIT_1:
    case KG_TCP_FIN_WAIT_2: return KG_NET_OPEN;
    default: return KG_NET_ENDED;
    }
}

size_t kg_net_read(struct kg_net *net, int32_t client, void *to, size_t room)
{
    struct kg_tcp_connection *c = client_of(net, client);
    return c ? kg_tcp_take(&net->tcp, c, to, room) : 0;
}

size_t kg_net_write(struct kg_net *net, int32_t client, const void *from, size_t n)
{
    struct kg_tcp_connection *c = client_of(net, client);
    return c ? kg_tcp_give(&net->tcp, c, from, n) : 0;
}

void kg_net_shut(struct kg_net *net, int32_t client)
{
    struct kg_tcp_connection *c = client_of(net, client);
    if (c) {
        kg_tcp_shut(&net->tcp, c);
    }
}

void kg_net_close(struct kg_net *net, int32_t client)
{
    struct kg_tcp_connection *c = client_of(net, client);
    if (c) {
        kg_tcp_close(&net->tcp, c);
    }
}

bool kg_net_resolve(struct kg_net *net, const char *name)
{
    struct kg_net_status status = kg_net_status(net);
    return kg_dns_start(&net->dns, &net->ip, name, status.dns);
}

enum kg_net_lookup kg_net_resolved(const struct kg_net *net, uint32_t *address, const char **problem)
{
    *address = net->dns.address;
    *problem = net->dns.problem;
    return net->dns.state;
}

uint16_t kg_net_open_port(struct kg_net *net, void *context,
                          void (*receive)(void *context, uint32_t from, uint16_t from_port, const uint8_t *data,
                                          uint32_t n))
{
    struct kg_udp_port port = {.context = context, .receive = receive};
    for (uint32_t tries = 0; tries < PORT_TRIES; tries++) {
        port.port = (uint16_t)(PORT_FIRST + kg_ip_random(&net->ip) % PORTS);
        if (kg_udp_bind(&net->ip, &port)) {
            return port.port;
        }
    }
    return 0;
}

void kg_net_close_port(struct kg_net *net, uint16_t port)
{
    kg_udp_unbind(&net->ip, port);
}

void kg_net_send_datagram(struct kg_net *net, uint16_t from, uint32_t to, uint16_t to_port, const void *data, size_t n)
{
    if (n <= KG_NET_DATAGRAM) {
        memcpy(kg_udp_payload(&net->ip), data, n);
        kg_udp_send(&net->ip, from, to, to_port, (uint32_t)n);
    }
}

void kg_net_address_text(uint32_t address, char *text, size_t size)
{
    kg_format(text, size, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}
