/* Connections to servers in a kernel: see dialing.h. */
#include "dialing.h"

#include "stack.h"

#include "kgpt/mem.h"

#define WAITING 64u       /* datagrams */
#define BUFFER (1u << 20) /* bytes of the connection, for each direction */
#define STEP_MS 10u       /* of a wait */

struct datagram {
    uint32_t from;
    uint16_t port;
    uint32_t n;
    uint8_t data[KG_DIAL_DATAGRAM];
};

struct dialing {
    struct kg_stack stack;
    struct kg_dial dial;
    int32_t client; /* -1: there was no connection to be had */
    uint16_t port;  /* of datagrams; 0: none */
    uint32_t first, n;
    struct datagram waiting[WAITING];
};

static struct kg_net *net_of(void *context)
{
    return ((struct dialing *)context)->stack.net;
}

static uint64_t dialing_now(void *context)
{
    const struct kg_net_link *link = &((struct dialing *)context)->stack.link;
    return link->now_ms(link->context);
}

static void dialing_resolve(void *context, const char *name)
{
    kg_net_resolve(net_of(context), name);
}

static enum kg_dial_state dialing_resolved(void *context, uint32_t *address, const char **problem)
{
    switch (kg_net_resolved(net_of(context), address, problem)) {
    case KG_NET_LOOKUP_RUNNING: return KG_DIAL_RUNS;
    case KG_NET_LOOKUP_DONE: return KG_DIAL_OPEN;
    default: return KG_DIAL_FAILED;
    }
}

static void dialing_connect(void *context, uint32_t address, uint16_t port)
{
    ((struct dialing *)context)->client = kg_net_connect(net_of(context), address, port);
}

static enum kg_dial_state dialing_state(void *context, const char **problem)
{
    switch (kg_net_client_state(net_of(context), ((struct dialing *)context)->client, problem)) {
    case KG_NET_CONNECTING: return KG_DIAL_RUNS;
    case KG_NET_OPEN: return KG_DIAL_OPEN;
    case KG_NET_ENDED: return KG_DIAL_ENDED;
    default: return KG_DIAL_FAILED;
    }
}

static size_t dialing_read(void *context, void *to, size_t room)
{
    return kg_net_read(net_of(context), ((struct dialing *)context)->client, to, room);
}

static size_t dialing_write(void *context, const void *from, size_t n)
{
    return kg_net_write(net_of(context), ((struct dialing *)context)->client, from, n);
}

static void dialing_close(void *context)
{
    struct dialing *dialing = context;
    kg_net_close(dialing->stack.net, dialing->client);
    kg_net_poll(dialing->stack.net);
    dialing->client = -1;
}

/* More datagrams than have room are lost, as on the way. */
static void keep_datagram(void *context, uint32_t from, uint16_t from_port, const uint8_t *data, uint32_t n)
{
    struct dialing *dialing = context;
    if (dialing->n == WAITING || n > KG_DIAL_DATAGRAM) {
        return;
    }
    struct datagram *datagram = &dialing->waiting[(dialing->first + dialing->n++) % WAITING];
    datagram->from = from;
    datagram->port = from_port;
    datagram->n = n;
    memcpy(datagram->data, data, n);
}

static bool dialing_open_port(void *context)
{
    struct dialing *dialing = context;
    dialing->n = 0;
    dialing->port = kg_net_open_port(dialing->stack.net, dialing, keep_datagram);
    return dialing->port != 0;
}

static void dialing_send(void *context, uint32_t address, uint16_t port, const void *from, size_t n)
{
    struct dialing *dialing = context;
    kg_net_send_datagram(dialing->stack.net, dialing->port, address, port, from, n);
}

static size_t dialing_receive(void *context, uint32_t *address, uint16_t *port, void *to, size_t room)
{
    struct dialing *dialing = context;
    if (dialing->n == 0) {
        return 0;
    }
    const struct datagram *datagram = &dialing->waiting[dialing->first];
    size_t n = datagram->n < room ? datagram->n : room;
    *address = datagram->from;
    *port = datagram->port;
    memcpy(to, datagram->data, n);
    dialing->first = (dialing->first + 1) % WAITING;
    dialing->n--;
    return n;
}

static void dialing_close_port(void *context)
{
    struct dialing *dialing = context;
    kg_net_close_port(dialing->stack.net, dialing->port);
    dialing->port = 0;
}

static void dialing_wait(void *context, uint32_t ms)
{
    struct kg_net *net = net_of(context);
    if (ms) {
        kg_net_wait(net, ms < STEP_MS ? ms : STEP_MS);
    } else {
        kg_net_poll(net);
    }
}

static const struct kg_dial dialing_functions = {
    .now_ms = dialing_now,
    .resolve = dialing_resolve,
    .resolved = dialing_resolved,
    .connect = dialing_connect,
    .state = dialing_state,
    .read = dialing_read,
    .write = dialing_write,
    .close = dialing_close,
    .open_port = dialing_open_port,
    .send = dialing_send,
    .receive = dialing_receive,
    .close_port = dialing_close_port,
    .wait = dialing_wait,
};

enum kg_status kg_dial_open(struct kgpt *k, const struct kg_dial **dial, struct kg_error *error)
{
    const struct kg_net_limits limits = {
        .servers = 1, .clients = 2, .server_buffer = 4096, .client_buffer = BUFFER, .half_open = 1, .waiting = 16};
    struct dialing *dialing = kg_arena_take(&k->arena, sizeof *dialing);
    if (!dialing || !kg_net_carve(&dialing->stack.memory, &limits, &k->arena)) {
        return kg_error_set(error, KG_E_MEMORY, "no memory is left for the network");
    }
    enum kg_status status = kg_stack_open(&dialing->stack, k, "a model from a server", error);
    dialing->dial = dialing_functions;
    dialing->dial.context = dialing;
    dialing->client = -1;
    *dial = &dialing->dial;
    return status;
}
