/* The interrupt controller, GICv2 or GICv3 (Arm IHI 0048, IHI 0069): it wakes processors that sleep, and gives the
 * first one the interrupts of its timer and its serial port. */
#ifndef KGPT_AARCH64_GIC_H
#define KGPT_AARCH64_GIC_H

#include <stdbool.h>
#include <stdint.h>

#define KG_GIC_INTERRUPTS 1020u /* numbers below it are of interrupts */

#define KG_GIC_DISTRIBUTOR_SIZE 0x10000u
#define KG_GIC_INTERFACE_SIZE 0x2000u
#define KG_GIC_REGIONS 16u /* of redistributors */

struct kg_gic_place {
    uint32_t version; /* 2 or 3; 0: none */
    uint64_t distributor, distributor_size;
    uint32_t n;
    struct {
        uint64_t base, size;
    } regions[KG_GIC_REGIONS]; /* the processor interface, or the redistributors of GICv3 */
};

static inline void kg_gic_add(struct kg_gic_place *place, uint64_t base, uint64_t size)
{
    if (place->n < KG_GIC_REGIONS) {
        place->regions[place->n].base = base;
        place->regions[place->n++].size = size;
    }
}

/* Maps its registers. False: there is none, or it cannot be used. The distributor starts at the first kg_gic_join. */
bool kg_gic_init(const struct kg_gic_place *place);

/* On each processor before it sleeps: its wake-up interrupt is on. Returns false if there is no controller, or none for
 * this processor. */
bool kg_gic_join(void);

const char *kg_gic_name(void); /* "gicv2", "gicv3", "" */

void kg_gic_enable(uint32_t interrupt); /* for the first processor, which calls it */
void kg_gic_wake(uint64_t affinity);    /* interrupts a processor */

/* Takes a pending interrupt and ends it; KG_GIC_INTERRUPTS or more: there is none. */
uint32_t kg_gic_take(void);

#endif
