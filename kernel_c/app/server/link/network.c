/* Connections of clients in a kernel: our network stack over the first card that has a link. See network.h. */
#include "network.h"

#include "app/network/stack.h"

struct kg_network {
    struct kg_stack stack;
    struct kg_connections connections[2]; /* of the API, and of Modbus */
};

struct kg_network *kg_network_carve(struct kg_arena *arena)
{
    const struct kg_net_limits limits = kg_net_usual_limits();
    struct kg_network counted, *taken = kg_arena_take(arena, sizeof *taken);
    bool real = taken && !arena->counts;
    struct kg_network *network = real ? taken : &counted;
    *network = (struct kg_network){0};
    bool whole = kg_net_carve(&network->stack.memory, &limits, arena);
    return whole && real ? taken : NULL;
}

enum kg_status kg_network_open(struct kg_network *network, struct kgpt *k, const struct kg_connections **connections,
                               struct kg_error *error)
{
    uint32_t port = k->config.lm.port;
    if (port == 0) {
        kg_error_set(error, KG_E_INPUT, "port=0: a kernel has no other program, so it does not choose its port");
        kg_error_hint(error, "leave it out, or give port=8080");
        return KG_E_INPUT;
    }
    enum kg_status status = kg_stack_open(&network->stack, k, "mode=serve", error);
    if (status == KG_OK && !kg_net_listen(network->stack.net, (uint16_t)port, &network->connections[0])) {
        status = kg_error_set(error, KG_E_INPUT, "port=%u cannot be listened on", port);
    }
    *connections = &network->connections[0];
    return status;
}

enum kg_status kg_network_listen(struct kg_network *network, struct kgpt *k, uint32_t port,
                                 const struct kg_connections **connections, struct kg_error *error)
{
    if (port == k->config.lm.port || !kg_net_listen(network->stack.net, (uint16_t)port, &network->connections[1])) {
        kg_error_set(error, KG_E_INPUT, "modbus_port=%u cannot be listened on", port);
        kg_error_hint(error, "give a port that is not 0, and not that of the API");
        return KG_E_INPUT;
    }
    *connections = &network->connections[1];
    return KG_OK;
}
