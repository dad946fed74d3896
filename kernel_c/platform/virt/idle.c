#include "idle.h"

#include "kgpt/platform.h"
#include "pl011.h"
#include "platform/aarch64/gic.h"
#include "platform/aarch64/interrupts.h"
#include "platform/aarch64/registers.h"
#include "platform/common/processor.h"

#define TICK_US 10000u
#define SHORT_RUN_US 33333u /* after the first instruction: shorter runs need no interrupts */
#define TIMER_ON 1u

volatile uint32_t kg_timer_ticks;

static const struct kg_facts *facts;
static bool prepared, working;

void kg_idle_init(const struct kg_facts *found)
{
    facts = found;
}

static void next_tick(void)
{
    KG_WRITE_REGISTER(cntv_cval_el0, plat_ticks() + kg_processor_ticks(TICK_US));
    KG_WRITE_REGISTER(cntv_ctl_el0, TIMER_ON);
    kg_isb();
}

void kg_interrupt(void)
{
    uint32_t interrupt;
    while ((interrupt = kg_gic_take()) < KG_GIC_INTERRUPTS) {
        if (interrupt == facts->timer_interrupt) {
            kg_timer_ticks++;
            next_tick();
        }
        kg_pl011_keep(); /* also after a tick: the port's interrupt may not be wired */
    }
}

void kg_idle_listen(void)
{
    if (!prepared) {
        if (plat_ticks() - kg_ticks_entry < kg_processor_ticks(SHORT_RUN_US)) {
            return;
        }
        prepared = true;
        working = facts->timer_interrupt && kg_gic_join();
        if (working) {
            kg_gic_enable(facts->timer_interrupt);
            next_tick();
            if (facts->console_interrupt) {
                kg_gic_enable(facts->console_interrupt);
                kg_pl011_listen();
            }
        }
    }
    if (working) {
        kg_irq_on();
    }
}

/* Sleep only if the timer has already interrupted: otherwise nothing might end the sleep. */
void kg_idle(void)
{
    kg_idle_listen();
    if (kg_timer_ticks == 0) {
        kg_yield();
        return;
    }
    kg_irq_off();
    kg_dsb();
    __asm__ volatile("wfi" : : : "memory"); /* a pending interrupt ends it, and is taken afterwards */
    kg_irq_on();
    kg_isb();
}
