/* The power button: QEMU's virt wires it to a pin of a PL061 (Arm DDI 0190), or with UEFI to a register of events
 * (ACPI's Generic Event Device). Both remember a press until it is read. */
#include "button.h"

#include "kgpt/mmio.h"
#include "platform/common/machine.h"

/* PL061: a bit for each pin. */
enum { PIN_OUTPUT = 0x400, PIN_LEVEL = 0x404, PIN_BOTH_EDGES = 0x408, PIN_RISES = 0x40C, PIN_RAW = 0x414 };
enum { PIN_CLEAR = 0x41C };

#define PINS 8u
#define EVENT_POWER 2u

static struct kg_button button;

static void set_pin(uint32_t offset, bool on)
{
    volatile uint8_t *at = (volatile uint8_t *)button.pins.base + offset;
    uint32_t bit = 1u << button.pin, others = kg_mmio_read32(at) & ~bit;
    kg_mmio_write32(at, on ? others | bit : others);
}

static void clear_pin(void)
{
    kg_mmio_write32((volatile uint8_t *)button.pins.base + PIN_CLEAR, 1u << button.pin);
}

void kg_button_init(const struct kg_button *found)
{
    button = *found;
    if (button.pin >= PINS) {
        button.pins.size = 0;
    }
    if (button.pins.size) {
        set_pin(PIN_OUTPUT, false);
        set_pin(PIN_LEVEL, false);
        set_pin(PIN_BOTH_EDGES, false);
        set_pin(PIN_RISES, true);
        clear_pin();
    }
}

bool kg_power_pressed(void)
{
    if (button.events && (kg_mmio_read32((const volatile uint8_t *)button.events) & EVENT_POWER)) {
        return true; /* reading cleared it */
    }
    if (!button.pins.size ||
        !(kg_mmio_read32((const volatile uint8_t *)button.pins.base + PIN_RAW) >> button.pin & 1)) {
        return false;
    }
    clear_pin();
    return true;
}
