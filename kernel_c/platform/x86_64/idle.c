/* Sleep until the local APIC's timer ends it, or an interrupt of the keyboard or the serial port does. These go through the 8259s: it is
 * the way that needs no tables, and where nothing comes through, the timer still does. */
#include "idle.h"

#include <stddef.h>

#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "kgpt/platform.h"
#include "serial.h"

#define PIC1 0x20
#define PIC2 0xA0
#define PIC_INIT 0x11   /* three more bytes follow */
#define PIC_CASCADE 2   /* the pin of the first to which the second is wired */
#define PIC_AUTOMATIC 3 /* who interrupts needs no answer */
#define PIC_ALL 0xFFu
#define PIC_KEYBOARD (1u << 1)
#define PIC_SERIAL (1u << 4)

#define TEST_US 1000
#define TESTS_PER_SECOND 20 /* a virtual processor may have to wait for a real one */

#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define AMD_EBX 0x68747541u /* "Auth" */
#define AMD_LAST_FAMILY 0x10

#define COUNTS_FEWEST 10000 /* a second: the slowest known makes a million */
#define CALIBRATIONS 4
#define CALIBRATIONS_PER_SECOND 2000

volatile bool kg_timer_woke;

static uint64_t counts_per_second; /* of the timer; 0: it cannot be used */

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
    kg_outb(PIC1 + 1, (uint8_t)~(PIC_KEYBOARD | PIC_SERIAL));
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
static void calibrate(void)
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
    if (counts_per_second < COUNTS_FEWEST)
        counts_per_second = 0;
}

static void start_timer(uint32_t us)
{
    kg_apic_timer((uint32_t)(counts_per_second * us / 1000000) + 1);
}

/* Tried out awake: who sleeps and is not woken never comes back. */
static bool timer_wakes(void)
{
    uint64_t start = kg_rdtsc(), patience = plat_ticks_hz() / TESTS_PER_SECOND;
    kg_timer_woke = false;
    start_timer(TEST_US);
    while (!kg_timer_woke && kg_rdtsc() - start < patience) {
        kg_serial_keep();
        __asm__ volatile("sti; nop; cli" : : : "memory");
    }
    return kg_timer_woke;
}

/* The serial port interrupts only here: in a virtual machine each interrupt costs time, and a paste would make thousands. */
static void sleep(uint32_t us, enum kg_serial_interrupt serial)
{
    start_timer(us);
    kg_serial_interrupt(serial);
    kg_sleep();
    kg_serial_interrupt(KG_SERIAL_NEVER);
}

static void prepare(void)
{
    if (timer_may_stop() || plat_ticks_hz() == 0)
        return;
    prepare_8259();
    if (kg_apic_init(0))
        return;
    calibrate();
    if (counts_per_second == 0 || !timer_wakes()) {
        counts_per_second = 0;
        return;
    }
    kg_serial_flush();
    sleep(TEST_US, KG_SERIAL_SENT);
}

void kg_idle(uint32_t us)
{
    static bool prepared;
    if (!prepared)
        prepare();
    prepared = true;
    if (counts_per_second)
        sleep(us, KG_SERIAL_RECEIVED);
    else
        kg_pause();
}
