/* Connections of clients in a kernel: our network stack over the first card that has a link. See network.h. */
#include "network.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/shell/input.h"

#include "kgpt/device.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/net.h"
#include "kgpt/platform.h"

#define STEP_MS 10u        /* of a wait, between two looks at the console */
#define SAY_AFTER_MS 5000u /* what a start waits for is told then */
#define AWAKE_MS 20u       /* after a frame the next one is near: do not sleep, which lasts up to 10 ms */
#define LINK_MS 100u
#define NO_CARD UINT32_MAX

struct kg_network {
    struct kg_net_memory memory;
    struct kg_net_link link;
    struct kg_net *net;
    struct kg_unit *card;
    struct kg_connections connections[2]; /* of the API, and of Modbus */
    uint64_t heard;                       /* plat_ticks() of the last frame */
    uint64_t looked; /* … of the last look at the link: it costs microseconds, and the stack asks in each poll */
    bool is_up, told_failure;
};

static uint64_t ms_of_ticks(uint64_t ticks)
{
    uint64_t hz = plat_ticks_hz();
    return hz ? ticks / hz * 1000 + ticks % hz * 1000 / hz : 0;
}

static bool send_on_card(void *context, const void *frame, size_t n)
{
    struct kg_unit *card = ((struct kg_network *)context)->card;
    return card->net.send(card, frame, n);
}

static size_t receive_from_card(void *context, void *frame, size_t size)
{
    struct kg_network *network = context;
    size_t n = network->card->net.receive(network->card, frame, size);
    if (n) {
        network->heard = plat_ticks();
    }
    return n;
}

static bool card_has_link(void *context)
{
    struct kg_network *network = context;
    uint64_t now = plat_ticks();
    if (ms_of_ticks(now - network->looked) >= LINK_MS) {
        network->looked = now;
        network->is_up = network->card->net.has_link(network->card);
        if (network->card->device->problem && !network->told_failure) {
            network->told_failure = true;
            kg_print("kgpt: the network card has failed: %s\n", network->card->device->problem);
        }
    }
    return network->is_up;
}

static uint64_t network_now(void *context)
{
    (void)context;
    return ms_of_ticks(plat_ticks());
}

static void draw_random_bytes(void *context, void *to, size_t n)
{
    uint8_t *bytes = to;
    (void)context;
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t value;
        plat_entropy(&value);
        memcpy(bytes + i, &value, n - i < sizeof value ? n - i : sizeof value);
    }
}

static void sleep_until_frame(void *context, uint32_t ms)
{
    const struct kg_network *network = context;
    (void)ms; /* a sleep ends with the next tick of the timer */
    if (ms_of_ticks(plat_ticks() - network->heard) >= AWAKE_MS) {
        plat_relax();
    }
}

struct kg_network *kg_network_carve(struct kg_arena *arena)
{
    const struct kg_net_limits limits = kg_net_usual_limits();
    struct kg_network counted, *network = kg_arena_take(arena, sizeof *network);
    network = arena->counts || !network ? &counted : network;
    *network = (struct kg_network){0};
    bool whole = kg_net_carve(&network->memory, &limits, arena);
    return whole && network != &counted ? network : NULL;
}

/* The number of the first card that has a link. */
static uint32_t find_card(struct kg_network *network)
{
    struct kg_unit *unit;
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_NET, i)) != NULL; i++) {
        if (unit->net.has_link(unit)) {
            network->card = unit;
            return i;
        }
    }
    return NO_CARD;
}

static void start_stack(struct kg_network *network, const struct kg_net_settings *settings)
{
    network->link = (struct kg_net_link){.context = network,
                                         .send = send_on_card,
                                         .receive = receive_from_card,
                                         .has_link = card_has_link,
                                         .now_ms = network_now,
                                         .random = draw_random_bytes,
                                         .relax = sleep_until_frame,
                                         .mtu = network->card->net.mtu};
    memcpy(network->link.mac, network->card->net.mac, sizeof network->link.mac);
    network->looked = plat_ticks();
    network->is_up = true;
    network->net = kg_net_start(&network->memory, &network->link, settings);
}

/* Waits for a link, and says so once if it takes long. */
static enum kg_status await_card(struct kg_network *network, struct kgpt *k, uint32_t *number, struct kg_error *error)
{
    uint64_t begin = plat_ticks();
    bool said = false;
    if (!kg_unit_find(KG_UNIT_NET, 0)) {
        kg_error_set(error, KG_E_INPUT, "mode=serve needs a network card, and none was found that this kernel drives");
        kg_error_hint(error, "in QEMU: kgpt serve --target bare; a process needs no card: kgpt serve");
        return KG_E_INPUT;
    }
    while ((*number = find_card(network)) == NO_CARD) {
        if (kg_input_stopped(&k->input)) {
            return kg_error_set(error, KG_E_STOPPED, "stopped");
        }
        if (!said && ms_of_ticks(plat_ticks() - begin) >= SAY_AFTER_MS) {
            said = true;
            kg_print("kgpt: no network card has a link yet: plug in a cable, or press Ctrl-C\n");
        }
        plat_relax();
    }
    return KG_OK;
}

/* Waits for an address, and says so once if it takes long. */
static enum kg_status await_address(struct kg_network *network, struct kgpt *k, struct kg_error *error)
{
    uint64_t begin = plat_ticks();
    bool said = false;
    struct kg_net_status status;
    while (status = kg_net_status(network->net), !status.address) {
        if (kg_input_stopped(&k->input)) {
            return kg_error_set(error, KG_E_STOPPED, "stopped");
        }
        if (!said && ms_of_ticks(plat_ticks() - begin) >= SAY_AFTER_MS) {
            said = true;
            kg_print("kgpt: the network has given no address yet (%s); ip= on the command line sets one\n",
                     status.problem ? status.problem : "waiting");
        }
        kg_net_wait(network->net, STEP_MS);
    }
    return KG_OK;
}

enum kg_status kg_network_open(struct kg_network *network, struct kgpt *k, const struct kg_connections **connections,
                               struct kg_error *error)
{
    struct kg_net_settings settings;
    uint32_t number, port = k->config.lm.port;
    enum kg_status status = kg_net_read_settings(k->config.lm.ip[0] ? k->config.lm.ip : "dhcp", &settings, error);
    if (status == KG_OK && port == 0) {
        kg_error_set(error, KG_E_INPUT, "port=0: a kernel has no other program, so it does not choose its port");
        kg_error_hint(error, "leave it out, or give port=8080");
        return KG_E_INPUT;
    }
    if (status == KG_OK) {
        status = await_card(network, k, &number, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_print("kgpt: net%u (%s)%s\n", number, network->card->device->driver->name,
             settings.dhcp ? " asks for an address by DHCP" : "");
    start_stack(network, &settings);
    status = await_address(network, k, error);
    if (status == KG_OK && !kg_net_listen(network->net, (uint16_t)port, &network->connections[0])) {
        status = kg_error_set(error, KG_E_INPUT, "port=%u cannot be listened on", port);
    }
    *connections = &network->connections[0];
    return status;
}

enum kg_status kg_network_listen(struct kg_network *network, struct kgpt *k, uint32_t port,
                                 const struct kg_connections **connections, struct kg_error *error)
{
    if (port == k->config.lm.port || !kg_net_listen(network->net, (uint16_t)port, &network->connections[1])) {
        kg_error_set(error, KG_E_INPUT, "modbus_port=%u cannot be listened on", port);
        kg_error_hint(error, "give a port that is not 0, and not that of the API");
        return KG_E_INPUT;
    }
    *connections = &network->connections[1];
    return KG_OK;
}
