/* The contract between a machine's room (pc/, virt/) and this room: its console, its machine channel, and its rest. */
#ifndef KGPT_COMMON_MACHINE_H
#define KGPT_COMMON_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The serial port. */
extern const char kg_serial_name[]; /* as people call it */
bool kg_serial_present(void);
void kg_serial_write(const char *text, size_t n); /* "\n" is sent as "\r\n" */
void kg_serial_ask(bool answer);                  /* see plat_ask_terminal */
int kg_serial_read(void);                         /* KG_READ_NONE if nothing was received */

/* The machine's own keyboard, which is on no bus. */
bool kg_keyboard_present(void); /* it responds */
int kg_keyboard_read(void);     /* the next byte, KG_READ_NONE, KG_READ_RESTART, or KG_READ_END without a keyboard */

/* The machine channel (docs/events.md). */
bool kg_channel_present(void); /* it has a reader */
void kg_channel_write(const char *bytes, size_t n);

/* Enables interrupts that store input, if the machine supports it. The first poll for input calls it, not the boot, so
 * that a short run does not wait for the calibration of a timer. */
void kg_idle_listen(void);

/* Sleeps until an interrupt, at most 10 ms, if the machine can wake up; otherwise pauses briefly. */
void kg_idle(void);

/* What a person can do about a loader that gave no framebuffer. */
extern const char kg_screen_advice[];

extern volatile uint32_t kg_timer_ticks; /* number of timer interrupts */

/* True if the power button was pressed since the last call. */
bool kg_power_pressed(void);

extern uint64_t kg_ticks_entry; /* plat_ticks() at the kernel's first instruction */

#endif
