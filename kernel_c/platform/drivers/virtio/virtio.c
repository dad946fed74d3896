/* Reset and negotiation of a virtio device, over either transport: see virtio.h. (Virtio 1.1, 3.1.1.) */
#include "kgpt/mmio.h"
#include "transport.h"

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u

#define FEATURE_VERSION_1 (1ull << 32)
#define FEATURE_ACCESS_PLATFORM \
    (1ull << 33) /* DMA through an IOMMU, if there is one; the kernel uses identity addresses */

#define RESET_STEPS 10000 /* of 100 us: one second */
#define RESET_STEP_US 100

static bool reset_virtio(const struct kg_virtio *v)
{
    v->transport->set_status(v, 0);
    for (int i = 0; i < RESET_STEPS; i++) {
        if (v->transport->status(v) == 0) {
            return true;
        }
        plat_delay_us(RESET_STEP_US);
    }
    return false;
}

static void add_status(const struct kg_virtio *v, uint8_t bits)
{
    v->transport->set_status(v, v->transport->status(v) | bits);
}

static uint64_t offered_features(const struct kg_virtio *v)
{
    uint64_t features = 0;
    for (uint32_t i = 0; i < 2; i++) {
        features |= (uint64_t)v->transport->offered(v, i) << 32 * i;
    }
    return features;
}

static bool accept_features(const struct kg_virtio *v, uint64_t features)
{
    for (uint32_t i = 0; i < 2; i++) {
        v->transport->accept(v, i, (uint32_t)(features >> 32 * i));
    }
    add_status(v, STATUS_FEATURES_OK);
    return v->transport->status(v) & STATUS_FEATURES_OK;
}

const char *kg_virtio_start(struct kg_virtio *v, struct kg_device *device, uint64_t *features)
{
    v->device = device;
    v->transport = device->mapped ? &kg_virtio_mmio : &kg_virtio_pci;
    if (!v->transport->find(v)) {
        return "it does not speak virtio 1.0, or its registers cannot be mapped";
    }
    if (!reset_virtio(v)) {
        return "it does not reset";
    }
    kg_device_master(device, true);
    add_status(v, STATUS_ACKNOWLEDGE);
    add_status(v, STATUS_DRIVER);
    uint64_t offered = offered_features(v);
    *features = offered & (*features | FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM);
    if (!(*features & FEATURE_VERSION_1) || !accept_features(v, *features)) {
        return "it refuses virtio 1.0";
    }
    return NULL;
}

void kg_virtio_run(struct kg_virtio *v)
{
    add_status(v, STATUS_DRIVER_OK);
}

void kg_virtio_stop(struct kg_device *device)
{
    const struct kg_virtio *v = device->state;
    if (v->common) {
        v->transport->set_status(v, 0);
    }
}
