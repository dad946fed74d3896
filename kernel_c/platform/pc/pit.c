/* The programmable interval timer. It uses channel 0, because microvm has no port 0x61 to gate channel 2; its
 * interrupt stays masked. */
#include "clock.h"
#include "platform/x86_64/io.h"

#define HZ 1193182u
#define CHANNEL0 0x40
#define COMMAND 0x43
#define CHANNEL0_MODE2 0x34 /* low byte then high byte, periodic */
#define CHANNEL0_LATCH 0x00

/* It counts down; 0 means 65,536. */
static uint32_t read_pit_counter(void)
{
    kg_outb(COMMAND, CHANNEL0_LATCH);
    uint32_t low = kg_inb(CHANNEL0);
    return -(low | (uint32_t)kg_inb(CHANNEL0) << 8) & 0xFFFF;
}

bool kg_pit_open(struct kg_counter *counter)
{
    kg_outb(COMMAND, CHANNEL0_MODE2);
    kg_outb(CHANNEL0, 0);
    kg_outb(CHANNEL0, 0);
    *counter = (struct kg_counter){HZ, 0xFFFF, read_pit_counter};
    return true;
}
