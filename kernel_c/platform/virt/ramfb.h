/* QEMU's ramfb: a screen in the guest's memory, which the guest chooses (QEMU: hw/display/ramfb.c). */
#ifndef KGPT_VIRT_RAMFB_H
#define KGPT_VIRT_RAMFB_H

#include "facts/facts.h"
#include "platform/boot/boot.h"

/* Takes memory for the screen and shows it. Before the application gets the arena. False: there is none. */
bool kg_ramfb_start(const struct kg_range *fw_cfg, struct kg_framebuffer *framebuffer);

#endif
