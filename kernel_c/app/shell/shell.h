/* The shell on the console. */
#ifndef KGPT_APP_SHELL_H
#define KGPT_APP_SHELL_H

#include "commands.h"

/* Prints all settings, or changes one (`arguments` is "key value"). */
void kg_shell_set(struct kgpt *k, char *arguments);

/* Reads and runs commands until `halt`, Ctrl-D or the end of input. `reboot` does not return. */
void kg_shell_run(struct kgpt *k);

/* The commands of every kernel, and those for devices and network cards; a row without a name ends each table. */
extern const struct kg_command kg_shell_commands[], kg_device_commands[], kg_card_commands[];

/* devices.c: tells of USB keyboards that were found, or that went, since the last call. `context` is struct kgpt. */
void kg_keyboards_tell(void *context);

#endif
