/* Virtio network card (Virtio 1.1, 5.1). Each frame is one buffer, behind a header of 12 bytes that stays zero: no
 * check sums and no segments are left to the device. */
#include "kgpt/mem.h"
#include "kgpt/mmio.h"
#include "virtio.h"

#define NET_BUFFERS 64u /* of each ring */
#define NET_BUFFER 2048u
#define NET_HEADER 12u
#define NET_FRAME_LEAST 14u /* an Ethernet header */
#define NET_MTU 1500u
#define NET_MTU_LEAST 68u /* of IPv4 */

#define NET_HAS_MTU (1ull << 3)
#define NET_HAS_MAC (1ull << 5)
#define NET_HAS_STATUS (1ull << 16)

enum net_field { NET_MAC = 0, NET_STATUS = 6, NET_MTU_FIELD = 10, NET_CONFIG_END = 12 };
#define NET_LINK_UP 1u
#define NET_STATUS_GONE 0xFFFFu

/* One direction. Each chain is one buffer. */
struct net_ring {
    struct kg_virtqueue queue;
    uint8_t *buffers;
    uint8_t buffer_of[NET_BUFFERS]; /* by the chain's number */
};

struct net {
    struct kg_virtio virtio;
    struct net_ring received, sent;
    uint8_t free[NET_BUFFERS]; /* buffers to send in that no chain has */
    uint32_t n_free;
    bool tells_status;
    struct kg_unit unit;
};

static const char *make_net_ring(struct net_ring *ring, const struct kg_virtio *virtio, uint16_t index)
{
    const char *problem = kg_virtqueue_init(&ring->queue, virtio, index, NET_BUFFERS);
    if (!problem) {
        ring->buffers = plat_dma((size_t)ring->queue.size * NET_BUFFER, NET_BUFFER, UINT64_MAX);
        problem = ring->buffers ? NULL : "no memory is left for its frames";
    }
    return problem;
}

/* Gives a buffer to the device. */
static void add_net_buffer(struct net_ring *ring, uint8_t i, uint32_t n, bool written)
{
    const struct kg_virtio_buffer buffer = {ring->buffers + (size_t)i * NET_BUFFER, n};
    int chain = kg_virtqueue_add(&ring->queue, &buffer, !written, written);
    if (chain >= 0) { /* there is a descriptor for each buffer */
        ring->buffer_of[chain] = i;
    }
}

static void fail_net(struct net *net)
{
    kg_device_fail(net->virtio.device, "its virtqueue is inconsistent");
}

static void poll_net(struct kg_device *device)
{
    struct net *net = device->state;
    uint32_t written;
    int chain;
    while ((chain = kg_virtqueue_take(&net->sent.queue, &written)) >= 0) {
        net->free[net->n_free++] = net->sent.buffer_of[chain];
    }
    if (chain == KG_VIRTQUEUE_BROKEN) {
        fail_net(net);
    }
}

static bool send_net(struct kg_unit *unit, const void *frame, size_t n)
{
    struct net *net = unit->device->state;
    if (unit->device->problem) {
        return false;
    }
    if (n < NET_FRAME_LEAST || n > NET_FRAME_LEAST + unit->net.mtu) {
        return true;
    }
    poll_net(unit->device);
    if (unit->device->problem || !net->n_free) {
        return false;
    }
    uint8_t i = net->free[--net->n_free];
    memcpy(net->sent.buffers + (size_t)i * NET_BUFFER + NET_HEADER, frame, n);
    add_net_buffer(&net->sent, i, (uint32_t)(NET_HEADER + n), false);
    kg_virtqueue_notify(&net->sent.queue);
    return true;
}

static size_t receive_net(struct kg_unit *unit, void *frame, size_t size)
{
    struct net *net = unit->device->state;
    uint32_t written = 0;
    size_t n = 0;
    for (uint32_t tries = 0; !n && !unit->device->problem && tries < NET_BUFFERS; tries++) {
        int chain = kg_virtqueue_take(&net->received.queue, &written);
        if (chain == KG_VIRTQUEUE_NONE) {
            break;
        }
        if (chain == KG_VIRTQUEUE_BROKEN) {
            fail_net(net);
            break;
        }
        uint8_t i = net->received.buffer_of[chain];
        if (written >= NET_HEADER + NET_FRAME_LEAST && written - NET_HEADER <= size) {
            n = written - NET_HEADER;
            memcpy(frame, net->received.buffers + (size_t)i * NET_BUFFER + NET_HEADER, n);
        }
        add_net_buffer(&net->received, i, NET_BUFFER, true);
        kg_virtqueue_notify(&net->received.queue);
    }
    return n;
}

static bool net_has_link(struct kg_unit *unit)
{
    const struct net *net = unit->device->state;
    if (unit->device->problem) {
        return false;
    }
    uint16_t status = net->tells_status ? kg_mmio_read16(net->virtio.config + NET_STATUS) : NET_LINK_UP;
    if (status == NET_STATUS_GONE) {
        kg_device_fail(unit->device, "its registers make no sense");
    }
    return status != NET_STATUS_GONE && (status & NET_LINK_UP);
}

/* Reads address and MTU from the configuration. Returns NULL, or the problem. */
static const char *read_net_config(struct net *net, uint64_t features)
{
    const volatile uint8_t *config = net->virtio.config;
    if (!config || net->virtio.config_size < NET_CONFIG_END || !(features & NET_HAS_MAC)) {
        return "it does not tell its address";
    }
    uint8_t any = 0;
    for (uint32_t i = 0; i < sizeof net->unit.net.mac; i++) {
        net->unit.net.mac[i] = kg_mmio_read8(config + NET_MAC + i);
        any |= net->unit.net.mac[i];
    }
    if (!any || (net->unit.net.mac[0] & 1)) {
        return "its address makes no sense";
    }
    uint16_t mtu = features & NET_HAS_MTU ? kg_mmio_read16(config + NET_MTU_FIELD) : NET_MTU;
    net->unit.net.mtu = mtu < NET_MTU ? mtu : NET_MTU;
    net->tells_status = features & NET_HAS_STATUS;
    return mtu < NET_MTU_LEAST ? "its MTU makes no sense" : NULL;
}

static const char *start_net(struct kg_device *device)
{
    struct net *net = device->state;
    uint64_t features = NET_HAS_MTU | NET_HAS_MAC | NET_HAS_STATUS;
    const char *problem = kg_virtio_start(&net->virtio, device, &features);
    if (!problem) {
        problem = read_net_config(net, features);
    }
    if (!problem) {
        problem = make_net_ring(&net->received, &net->virtio, 0);
    }
    if (!problem) {
        problem = make_net_ring(&net->sent, &net->virtio, 1);
    }
    if (problem) {
        return problem;
    }
    for (uint32_t i = 0; i < net->received.queue.size; i++) {
        add_net_buffer(&net->received, (uint8_t)i, NET_BUFFER, true);
    }
    for (uint32_t i = 0; i < net->sent.queue.size; i++) {
        net->free[net->n_free++] = (uint8_t)i;
    }
    kg_virtio_run(&net->virtio);
    kg_virtqueue_notify(&net->received.queue);
    net->unit.net.has_link = net_has_link;
    net->unit.net.send = send_net;
    net->unit.net.receive = receive_net;
    kg_unit_add(&net->unit, KG_UNIT_NET, device);
    return NULL;
}

extern const struct kg_driver kg_virtio_net;
const struct kg_driver kg_virtio_net = {
    .name = "virtio-net",
    .net = true,
    .state_size = sizeof(struct net),
    .start = start_net,
    .poll = poll_net,
    .stop = kg_virtio_stop,
};
