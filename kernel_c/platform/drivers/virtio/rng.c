/* Virtio entropy device: random bytes from the host (Virtio 1.1, 5.4). */
#include "kgpt/mem.h"
#include "virtio.h"

#define BYTES 64u /* size of one request */
#define WAIT_STEPS 10000
#define WAIT_STEP_US 100

struct rng {
    struct kg_virtio virtio;
    struct kg_virtqueue queue;
    struct kg_unit unit;
    uint8_t *bytes;      /* DMA buffer of BYTES bytes */
    uint32_t n, n_given; /* bytes in the buffer, and how many of them were handed out */
    bool asked;          /* a request is pending */
};

static void ask_for_bytes(struct rng *rng)
{
    const struct kg_virtio_buffer buffer = {rng->bytes, BYTES};
    rng->n = rng->n_given = 0;
    rng->asked = kg_virtqueue_add(&rng->queue, &buffer, 0, 1) >= 0;
    kg_virtqueue_notify(&rng->queue);
}

static void poll_rng(struct kg_device *device)
{
    struct rng *rng = device->state;
    uint32_t written;
    int chain = rng->asked ? kg_virtqueue_take(&rng->queue, &written) : KG_VIRTQUEUE_NONE;
    if (chain == KG_VIRTQUEUE_BROKEN) {
        kg_device_fail(device, "its virtqueue is inconsistent");
    } else if (chain >= 0) {
        rng->asked = false;
        rng->n = written;
    }
}

/* Each byte is handed out once, and then overwritten. */
static size_t give_bytes(struct rng *rng, uint8_t *to, size_t n)
{
    size_t given = n < rng->n - rng->n_given ? n : rng->n - rng->n_given;
    memcpy(to, rng->bytes + rng->n_given, given);
    memset(rng->bytes + rng->n_given, 0, given);
    rng->n_given += (uint32_t)given;
    return given;
}

static size_t read_rng(struct kg_unit *unit, void *to, size_t n)
{
    struct kg_device *device = unit->device;
    struct rng *rng = device->state;
    size_t done = 0;
    for (int i = 0; i < WAIT_STEPS && !device->problem; i++) {
        poll_rng(device);
        done += give_bytes(rng, (uint8_t *)to + done, n - done);
        if (done == n) {
            break;
        }
        if (!rng->asked) {
            ask_for_bytes(rng);
        }
        plat_delay_us(WAIT_STEP_US);
    }
    if (done < n && !device->problem && kg_device_gone(device)) {
        kg_device_fail(device, "it no longer answers");
    }
    return done;
}

static const char *start_rng(struct kg_device *device)
{
    struct rng *rng = device->state;
    uint64_t features = 0;
    const char *problem = kg_virtio_start(&rng->virtio, device, &features);
    if (!problem) {
        problem = kg_virtqueue_init(&rng->queue, &rng->virtio, 0, 8);
    }
    if (problem) {
        return problem;
    }
    rng->bytes = plat_dma(BYTES, BYTES, UINT64_MAX);
    if (!rng->bytes) {
        return "no memory is left for its bytes";
    }
    kg_virtio_run(&rng->virtio);
    rng->unit.entropy.read = read_rng;
    kg_unit_add(&rng->unit, KG_UNIT_ENTROPY, device);
    ask_for_bytes(rng);
    return NULL;
}

extern const struct kg_driver kg_virtio_rng;
const struct kg_driver kg_virtio_rng = {
    .name = "virtio-rng",
    .state_size = sizeof(struct rng),
    .start = start_rng,
    .poll = poll_rng,
    .stop = kg_virtio_stop,
};
