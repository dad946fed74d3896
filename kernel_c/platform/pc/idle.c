/* Interrupts on the first processor: keyboard, serial port and timer store input while it works or sleeps, because
 * keyboard and serial port buffer only 16 bytes. Keyboard and serial port interrupt through the 8259s, which need no
 * ACPI tables. If these interrupts do not arrive, the timer polls both. */
#include "idle.h"

#include <stddef.h>

#include "i8042.h"
#include "kgpt/platform.h"
#include "platform/x86_64/apic.h"
#include "platform/x86_64/interrupts.h"
#include "platform/x86_64/io.h"
#include "serial.h"

#define PIC1 0x20
#define PIC2 0xA0
#define PIC_INIT 0x11   /* three more bytes follow */
#define PIC_CASCADE 2   /* input of the first 8259 to which the second is wired */
#define PIC_AUTOMATIC 3 /* automatic end of interrupt */
#define PIC_ALL 0xFFu
#define PIC_KEYBOARD (1u << 1)
#define PIC_SERIAL (1u << 4)

/* Polling intervals: of a keyboard, and of a serial port that cannot interrupt (a FIFO of 16 bytes lasts 1.4 ms at
 * 115200 baud). */
#define TICK_US 10000u
#define TICK_US_SERIAL 1000u
#define SHORT_RUN 100000000u /* TSC ticks after the first instruction: shorter runs need no interrupts */

#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define AMD_EBX 0x68747541u /* "Auth" */
#define AMD_LAST_FAMILY 0x10

#define COUNTS_FEWEST 10000 /* per second: the slowest known timer makes a million */
#define CALIBRATIONS 4
#define CALIBRATIONS_PER_SECOND 2000

volatile uint32_t kg_timer_ticks;

static uint64_t counts_per_second; /* rate of the timer; 0: unusable */
static uint32_t tick_us;           /* period of the timer */
static bool prepared, may_sleep;

/* Remaps the vectors: the firmware's vectors are exceptions here. */
static void prepare_8259(void)
{
    kg_outb(PIC1, PIC_INIT);
    kg_outb(PIC2, PIC_INIT);
    kg_outb(PIC1 + 1, KG_VECTOR_8259);
    kg_outb(PIC2 + 1, KG_VECTOR_8259 + 8);
    kg_outb(PIC1 + 1, 1u << PIC_CASCADE);
    kg_outb(PIC2 + 1, PIC_CASCADE);
    kg_outb(PIC1 + 1, PIC_AUTOMATIC);
    kg_outb(PIC2 + 1, PIC_AUTOMATIC);
    kg_outb(PIC1 + 1,
            (uint8_t)~(PIC_KEYBOARD | (kg_serial_present() ? PIC_SERIAL : 0))); /* or it is another device's */
    kg_outb(PIC2 + 1, PIC_ALL);
}

/* AMD erratum 400: on processors up to 2010 the timer may stop when all cores sleep, so nothing would wake them. */
static bool timer_may_stop(void)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    bool amd = r[1] == AMD_EBX;
    kg_cpuid(1, 0, r);
    uint32_t family = (r[0] >> 8 & 0xF) + (r[0] >> 20 & 0xFF);
    return amd && family <= AMD_LAST_FAMILY && !(r[2] & CPUID1_ECX_HYPERVISOR);
}

/* Delays between the two reads only lower the measured rate, so take the maximum. */
static void calibrate_timer(void)
{
    uint64_t hz = plat_ticks_hz();
    for (int i = 0; i < CALIBRATIONS; i++) {
        uint64_t start = kg_rdtsc(), counted, ticks;
        kg_apic_timer(UINT32_MAX);
        do {
            kg_serial_keep();
            counted = UINT32_MAX - kg_apic_timer_left();
            ticks = kg_rdtsc() - start;
        } while (ticks < hz / CALIBRATIONS_PER_SECOND);
        uint64_t found = counted * hz / ticks;
        counts_per_second = found > counts_per_second ? found : counts_per_second;
    }
    if (counts_per_second < COUNTS_FEWEST) {
        counts_per_second = 0;
    }
}

void kg_interrupt_input(void)
{
    kg_i8042_keep();
    kg_serial_keep();
    kg_apic_end_of_interrupt();
}

static void prepare_interrupts(void)
{
    if (plat_ticks_hz() == 0) {
        return;
    }
    prepare_8259();
    if (kg_apic_init(0)) {
        return;
    }
    may_sleep = !timer_may_stop();
    calibrate_timer();
    kg_serial_flush();
    kg_serial_listen();
}

void kg_idle_listen(void)
{
    if (!prepared) {
        if (kg_rdtsc() - kg_ticks_entry < SHORT_RUN) {
            return;
        }
        prepared = true;
        prepare_interrupts();
    }
    if (counts_per_second == 0) {
        return;
    }
    kg_interrupts_on();
    uint32_t us = kg_serial_present() && !kg_serial_woke ? TICK_US_SERIAL : TICK_US;
    if (us != tick_us) {
        tick_us = us;
        kg_apic_timer((uint32_t)(counts_per_second * us / 1000000) + 1);
    }
}

bool kg_idle_is_deaf(void)
{
    return prepared && counts_per_second == 0;
}

/* Sleep only if the timer has already interrupted: otherwise nothing might end the sleep. */
void kg_idle(void)
{
    kg_idle_listen();
    if (kg_timer_ticks && may_sleep) {
        kg_sleep();
    } else {
        kg_pause();
    }
}
