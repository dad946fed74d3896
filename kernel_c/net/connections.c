/* kgpt/connections.h over our TCP. */
#include "kgpt/connections.h"

#include "kgpt/format.h"
#include "net_state.h"

static struct kg_tcp_connection *numbered(void *context, uint32_t connection)
{
    const struct kg_net_server *server = context;
    return connection < server->net->limits.servers ? server->number[connection] : NULL;
}

static int32_t accept_connection(void *context)
{
    struct kg_net_server *server = context;
    for (uint32_t i = 0; i < server->net->limits.servers; i++) {
        if (!server->number[i]) {
            server->number[i] = kg_tcp_accept(&server->net->tcp, server->port);
            return server->number[i] ? (int32_t)i : -1;
        }
    }
    return -1;
}

static size_t read_connection(void *context, uint32_t connection, void *to, size_t room)
{
    struct kg_net_server *server = context;
    struct kg_tcp_connection *c = numbered(context, connection);
    return c ? kg_tcp_take(&server->net->tcp, c, to, room) : 0;
}

static size_t write_connection(void *context, uint32_t connection, const void *from, size_t n)
{
    struct kg_net_server *server = context;
    struct kg_tcp_connection *c = numbered(context, connection);
    return c ? kg_tcp_give(&server->net->tcp, c, from, n) : 0;
}

static enum kg_connection_state connection_state(void *context, uint32_t connection)
{
    const struct kg_tcp_connection *c = numbered(context, connection);
    if (!c) {
        return KG_CONNECTION_FREE;
    }
    switch (c->state) {
    case KG_TCP_FREE:
    case KG_TCP_LOST: return KG_CONNECTION_LOST;
    case KG_TCP_ESTABLISHED: return KG_CONNECTION_OPEN;
    default: return KG_CONNECTION_ENDED;
    }
}

static void close_connection(void *context, uint32_t connection)
{
    struct kg_net_server *server = context;
    struct kg_tcp_connection *c = numbered(context, connection);
    if (c) {
        kg_tcp_close(&server->net->tcp, c);
        server->number[connection] = NULL;
    }
}

static void reset_connection(void *context, uint32_t connection)
{
    struct kg_net_server *server = context;
    struct kg_tcp_connection *c = numbered(context, connection);
    if (c) {
        kg_tcp_reset(&server->net->tcp, c);
        server->number[connection] = NULL;
    }
}

static void poll_connections(void *context)
{
    struct kg_net_server *server = context;
    kg_net_poll(server->net);
}

static void wait_for_connections(void *context, uint32_t ms)
{
    struct kg_net_server *server = context;
    kg_net_wait(server->net, ms);
}

static void connection_peer(void *context, uint32_t connection, char *text, size_t size)
{
    const struct kg_tcp_connection *c = numbered(context, connection);
    char address[16] = "";
    if (c) {
        kg_net_address_text(c->peer.address, address, sizeof address);
    }
    kg_format(text, size, c ? "%s:%u" : "%s", address, c ? c->peer.port : 0);
}

static void local_address(void *context, char *text, size_t size)
{
    const struct kg_net_server *server = context;
    char address[16];
    kg_net_address_text(server->net->ip.address, address, sizeof address);
    kg_format(text, size, "%s:%u", address, server->port);
}

bool kg_net_listen(struct kg_net *net, uint16_t port, struct kg_connections *connections)
{
    struct kg_net_server *server = NULL;
    for (uint32_t i = 0; i < KG_TCP_LISTENERS && !server; i++) {
        if (net->servers[i].port == 0 || net->servers[i].port == port) {
            server = &net->servers[i];
        }
    }
    if (!server || port == 0 || !kg_tcp_listen(&net->tcp, port)) {
        return false;
    }
    server->port = port;
    *connections = (struct kg_connections){.context = server,
                                           .limit = net->limits.servers,
                                           .accept = accept_connection,
                                           .read = read_connection,
                                           .write = write_connection,
                                           .state = connection_state,
                                           .close = close_connection,
                                           .reset = reset_connection,
                                           .poll = poll_connections,
                                           .wait = wait_for_connections,
                                           .peer = connection_peer,
                                           .local = local_address};
    return true;
}
