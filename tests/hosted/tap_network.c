/* Takes the place of kernel_c/app/server/link/sockets.c: in this hosted program, connections of clients come
 * through our network stack, as in a kernel, over a TAP device in a namespace of the process's own. NET_WIRE is
 * what the wire does to frames. See network.h. */
#include "network.h"

#include "net_tap.h"

struct kg_network {
    struct kg_net_memory memory;
    struct kg_net *net;
    struct kg_net_link link;
    struct tap tap;
    struct kg_connections connections[2];
};

struct kg_network *kg_network_carve(struct kg_arena *arena)
{
    const struct kg_net_limits limits = kg_net_usual_limits();
    struct kg_net_memory counted;
    struct kg_network *network = kg_arena_take(arena, sizeof *network);
    bool counts = arena->counts || !network;
    if (!kg_net_carve(counts ? &counted : &network->memory, &limits, arena) || counts) {
        return NULL;
    }
    memset(&network->tap, 0, sizeof network->tap);
    return network;
}

enum kg_status kg_network_open(struct kg_network *network, struct kgpt *k, const struct kg_connections **connections,
                               struct kg_error *error)
{
    const char *wire = getenv("NET_WIRE");
    if (!tap_open(&network->tap, 1500, wire ? wire : "")) {
        return kg_error_set(error, KG_E_INPUT, "NET_WIRE cannot be read");
    }
    network->link = tap_link(&network->tap);
    network->net = kg_net_start(&network->memory, &network->link, &tap_settings);
    *connections = &network->connections[0];
    return kg_net_listen(network->net, (uint16_t)k->config.lm.port, &network->connections[0])
               ? KG_OK
               : kg_error_set(error, KG_E_INPUT, "the port cannot be listened on");
}

enum kg_status kg_network_listen(struct kg_network *network, struct kgpt *k, uint32_t port,
                                 const struct kg_connections **connections, struct kg_error *error)
{
    (void)k;
    *connections = &network->connections[1];
    return kg_net_listen(network->net, (uint16_t)port, &network->connections[1])
               ? KG_OK
               : kg_error_set(error, KG_E_INPUT, "the port cannot be listened on");
}
