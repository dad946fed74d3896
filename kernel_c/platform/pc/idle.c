/* While the first processor works or sleeps, interrupts of the keyboard, the serial port and the timer take in what was typed: a keyboard
 * keeps 16 bytes, and a serial port too. Keyboard and port come through the 8259s, the way that needs no tables. Where nothing
 * comes through, the timer still does, and looks at both. */
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
#define PIC_CASCADE 2   /* the pin of the first to which the second is wired */
#define PIC_AUTOMATIC 3 /* who interrupts needs no answer */
#define PIC_ALL 0xFFu
#define PIC_KEYBOARD (1u << 1)
#define PIC_SERIAL (1u << 4)

/* A keyboard is looked at so often. A serial port that cannot interrupt keeps 16 bytes: at 115200 baud that is 1.4 ms. */
#define TICK_US 10000u
#define TICK_US_SERIAL 1000u
#define SHORT_RUN \
    100000000u /* ticks of the TSC since the first instruction: what is over by then needs no interrupts */

#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define AMD_EBX 0x68747541u /* "Auth" */
#define AMD_LAST_FAMILY 0x10

#define COUNTS_FEWEST 10000 /* a second: the slowest known makes a million */
#define CALIBRATIONS 4
#define CALIBRATIONS_PER_SECOND 2000

volatile uint32_t kg_timer_ticks;
extern uint64_t kg_ticks_entry;

static uint64_t counts_per_second; /* of the timer; 0: it cannot be used */
static uint32_t tick_us;           /* as the timer is set */
static bool prepared, may_sleep;

/* Firmware leaves them with vectors that are exceptions now. */
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
            (uint8_t)~(PIC_KEYBOARD | (kg_serial_present() ? PIC_SERIAL : 0))); /* else it may be another device's */
    kg_outb(PIC2 + 1, PIC_ALL);
}

/* AMD's erratum 400: in processors up to 2010 the timer may stop when all cores sleep, and nothing would wake us. */
static bool timer_may_stop(void)
{
    uint32_t r[4];
    kg_cpuid(0, 0, r);
    bool amd = r[1] == AMD_EBX;
    kg_cpuid(1, 0, r);
    uint32_t family = (r[0] >> 8 & 0xF) + (r[0] >> 20 & 0xFF);
    return amd && family <= AMD_LAST_FAMILY && !(r[2] & CPUID1_ECX_HYPERVISOR);
}

/* Whatever comes between the reads of the two clocks makes the timer seem slower, and sleep shorter: the fastest is right. */
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

/* A processor that sleeps and is not woken never comes back: so the timer has to have interrupted one that was awake. */
void kg_idle(void)
{
    kg_idle_listen();
    if (kg_timer_ticks && may_sleep) {
        kg_sleep();
    } else {
        kg_pause();
    }
}
