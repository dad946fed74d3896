#include "gic.h"

#include <stddef.h>

#include "kgpt/mmio.h"
#include "platform/common/processor.h"
#include "registers.h"

/* Distributor. */
#define GICD_CTLR 0x000
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800 /* GICv2 */
#define GICD_SGIR 0xF00      /* GICv2 */
#define GICD_IROUTER 0x6000  /* GICv3 */
#define CTLR_ENABLE 1u
#define CTLR_ENABLE_GROUP1 2u
#define CTLR_AFFINITY 0x10u /* GICv3: ARE of a machine without Security states, or of the one we see */

/* Processor interface of GICv2. */
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_IAR 0x0C
#define GICC_EOIR 0x10

/* Redistributor of GICv3: two frames of 64 KiB for each processor, four if it has virtual interrupts in hardware. */
#define GICR_TYPER_LOW 0x08
#define GICR_TYPER_HIGH 0x0C
#define GICR_WAKER 0x14
#define GICR_SGI 0x10000
#define TYPER_LAST (1u << 4)
#define TYPER_VIRTUAL (1u << 1)
#define WAKER_SLEEPS 2u
#define WAKER_ASLEEP 4u
#define FRAME 0x20000u

#define PRIORITY 0xA0u
#define LOWEST 0xF0u /* the mask lets all interrupts through that have a higher priority */
#define WAKE_SGI 0u  /* the interrupt that one processor sends to another */
#define NUMBER_MASK 0x3FFu
#define NUMBER_MASK_V3 0xFFFFFFu
#define MOST_SPINS 1000000u

static struct kg_gic_place place;
static volatile uint8_t *distributor, *interface; /* interface: of GICv2 */
static bool started;

static uint32_t read_distributor(uint32_t offset)
{
    return kg_mmio_read32(distributor + offset);
}

static void write_distributor(uint32_t offset, uint32_t value)
{
    kg_mmio_write32(distributor + offset, value);
}

bool kg_gic_init(const struct kg_gic_place *found)
{
    if ((found->version != 2 && found->version != 3) || found->distributor_size < 0x1000 || found->n == 0 ||
        !kg_map_device(found->distributor, found->distributor_size, false)) {
        return false;
    }
    for (uint32_t i = 0; i < found->n; i++) {
        if (!kg_map_device(found->regions[i].base, found->regions[i].size, false)) {
            return false;
        }
    }
    place = *found;
    distributor = (volatile uint8_t *)place.distributor;
    interface = (volatile uint8_t *)place.regions[0].base;
    return true;
}

const char *kg_gic_name(void)
{
    return place.version == 3 ? "gicv3" : place.version == 2 ? "gicv2" : "";
}

static void set_priority(volatile uint8_t *frame, uint32_t interrupt)
{
    kg_mmio_write8(frame + GICD_IPRIORITYR + interrupt, PRIORITY);
}

static void set_bit(volatile uint8_t *frame, uint32_t offset, uint32_t interrupt)
{
    kg_mmio_write32(frame + offset + interrupt / 32 * 4, 1u << interrupt % 32);
}

/* Group 1, which needs no secure state. In GICv2 the groups stay as they are: what we see is ours. */
static void set_group(volatile uint8_t *frame, uint32_t interrupt)
{
    volatile uint8_t *at = frame + GICD_IGROUPR + interrupt / 32 * 4;
    kg_mmio_write32(at, kg_mmio_read32(at) | 1u << interrupt % 32);
}

static uint32_t own_affinity(void)
{
    uint64_t id = KG_READ_REGISTER(mpidr_el1);
    return (uint32_t)(id >> 8 & 0xFF000000) | (uint32_t)(id & 0xFFFFFF);
}

/* The frames of the processor `own` in a region. */
static volatile uint8_t *frames_in(uint64_t base, uint64_t size, uint32_t own)
{
    for (uint64_t at = 0; at <= size && size - at >= FRAME;) {
        volatile uint8_t *frames = (volatile uint8_t *)(base + at);
        uint32_t kind = kg_mmio_read32(frames + GICR_TYPER_LOW);
        if (kg_mmio_read32(frames + GICR_TYPER_HIGH) == own) {
            return frames;
        }
        if (kind & TYPER_LAST) {
            return NULL;
        }
        at += kind & TYPER_VIRTUAL ? 2 * FRAME : FRAME;
    }
    return NULL;
}

/* The frames of this processor in GICv3. */
static volatile uint8_t *own_frames(void)
{
    volatile uint8_t *found = NULL;
    for (uint32_t i = 0; i < place.n && !found; i++) {
        found = frames_in(place.regions[i].base, place.regions[i].size, own_affinity());
    }
    return found;
}

/* By the first processor. What the firmware left on would never be ended; GICv3 has private interrupts elsewhere. */
static void start_distributor(void)
{
    volatile uint8_t *frames = place.version == 3 ? own_frames() : NULL;
    kg_mmio_write32((frames ? frames + GICR_SGI : distributor) + GICD_ICENABLER, UINT32_MAX);
    uint32_t lines = ((read_distributor(0x004) & 31) + 1) * 32;
    for (uint32_t i = 32; i < lines && i < KG_GIC_INTERRUPTS; i += 32) {
        write_distributor(GICD_ICENABLER + i / 8, UINT32_MAX);
    }
    if (place.version == 3) {
        write_distributor(GICD_CTLR, CTLR_AFFINITY);
        write_distributor(GICD_CTLR, CTLR_AFFINITY | CTLR_ENABLE_GROUP1 | CTLR_ENABLE);
    } else {
        write_distributor(GICD_CTLR, CTLR_ENABLE);
    }
    started = true;
}

static bool wake_redistributor(volatile uint8_t *frames)
{
    volatile uint8_t *waker = frames + GICR_WAKER;
    kg_mmio_write32(waker, kg_mmio_read32(waker) & ~WAKER_SLEEPS);
    for (uint32_t spins = 0; spins < MOST_SPINS; spins++) {
        if (!(kg_mmio_read32(waker) & WAKER_ASLEEP)) {
            return true;
        }
    }
    return false;
}

static bool join_v3(void)
{
    volatile uint8_t *frames = own_frames();
    uint64_t access = KG_READ_REGISTER(s3_0_c12_c12_5) | 1; /* ICC_SRE_EL1.SRE */
    if (!frames || !wake_redistributor(frames)) {
        return false;
    }
    KG_WRITE_REGISTER(s3_0_c12_c12_5, access);
    kg_isb();
    if (!(KG_READ_REGISTER(s3_0_c12_c12_5) & 1)) {
        return false;
    }
    set_group(frames + GICR_SGI, WAKE_SGI);
    set_priority(frames + GICR_SGI, WAKE_SGI);
    set_bit(frames + GICR_SGI, GICD_ISENABLER, WAKE_SGI);
    KG_WRITE_REGISTER(s3_0_c4_c6_0, LOWEST); /* ICC_PMR_EL1 */
    KG_WRITE_REGISTER(s3_0_c12_c12_7, 1);    /* ICC_IGRPEN1_EL1 */
    kg_isb();
    return true;
}

static bool join_v2(void)
{
    set_priority(distributor, WAKE_SGI);
    set_bit(distributor, GICD_ISENABLER, WAKE_SGI);
    kg_mmio_write32(interface + GICC_PMR, LOWEST);
    kg_mmio_write32(interface + GICC_CTLR, CTLR_ENABLE);
    return true;
}

bool kg_gic_join(void)
{
    if (!distributor) {
        return false;
    }
    if (!started) {
        start_distributor();
    }
    return place.version == 3 ? join_v3() : join_v2();
}

/* Private interrupts (below 32) are in the processor's own frames in GICv3. Others are routed to this processor. */
void kg_gic_enable(uint32_t interrupt)
{
    volatile uint8_t *frame = distributor;
    if (place.version == 3 && interrupt < 32) {
        frame = own_frames() + GICR_SGI;
    }
    if (place.version == 3) {
        set_group(frame, interrupt);
    }
    set_priority(frame, interrupt);
    if (interrupt >= 32 && place.version == 3) {
        uint64_t id = KG_READ_REGISTER(mpidr_el1);
        write_distributor(GICD_IROUTER + 8 * interrupt, (uint32_t)(id & 0xFFFFFF));
        write_distributor(GICD_IROUTER + 8 * interrupt + 4, (uint32_t)(id >> 32 & 0xFF));
    } else if (interrupt >= 32) {
        uint8_t own = kg_mmio_read8(distributor + GICD_ITARGETSR); /* reads as the reader's own mask */
        kg_mmio_write8(distributor + GICD_ITARGETSR + interrupt, own);
    }
    set_bit(frame, GICD_ISENABLER, interrupt);
}

/* GICv2 numbers at most eight interfaces, by affinity 0. */
void kg_gic_wake(uint64_t id)
{
    kg_dsb(); /* what the other one shall see comes first */
    if (place.version == 3) {
        uint64_t target = (id >> 32 & 0xFF) << 48 | (id >> 16 & 0xFF) << 32 | (id >> 8 & 0xFF) << 16;
        uint64_t range = (id & 0xFF) >> 4 << 44;
        KG_WRITE_REGISTER(s3_0_c12_c11_5,
                          target | range | (uint64_t)WAKE_SGI << 24 | 1u << (id & 15)); /* ICC_SGI1R_EL1 */
        kg_isb();
    } else {
        write_distributor(GICD_SGIR, 1u << (16 + (id & 7)) | WAKE_SGI);
    }
}

uint32_t kg_gic_take(void)
{
    if (place.version == 3) {
        uint32_t found = KG_READ_REGISTER(s3_0_c12_c12_0) & NUMBER_MASK_V3; /* ICC_IAR1_EL1 */
        kg_dsb();
        if (found < KG_GIC_INTERRUPTS) {
            KG_WRITE_REGISTER(s3_0_c12_c12_1, found); /* ICC_EOIR1_EL1 */
            kg_isb();
        }
        return found;
    }
    uint32_t found = kg_mmio_read32(interface + GICC_IAR);
    if ((found & NUMBER_MASK) < KG_GIC_INTERRUPTS) {
        kg_mmio_write32(interface + GICC_EOIR, found);
    }
    return found & NUMBER_MASK;
}
