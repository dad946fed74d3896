/* QEMU's debug console, port 0xE9: the machine channel (docs/events.md). */
#ifndef KGPT_PC_DEBUGCON_H
#define KGPT_PC_DEBUGCON_H

#include <stdbool.h>
#include <stddef.h>

bool kg_debugcon_init(void);
bool kg_debugcon_present(void);
void kg_debugcon_write(const char *text, size_t n);

#endif
