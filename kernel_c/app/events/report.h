/* Prints what the kernel knows of machine and model: at boot, and for the shell's commands. */
#ifndef KGPT_APP_REPORT_H
#define KGPT_APP_REPORT_H

#include "app/kgpt.h"

/* On the kernel's own screen: name, version, the model that will be opened, what to type. Not for runs with `exit`. */
void kg_start_screen(const struct kgpt *k);

void kg_report_boot(const struct kgpt *k);   /* version, loader, memory, processor, instruction set */
void kg_report_model(const struct kgpt *k);  /* one line */
void kg_report_memory(const struct kgpt *k); /* one line */

/* With a screen but without a keyboard: says so, names the serial port, and tells what to do. */
void kg_report_keyboard(const struct kgpt *k);

void kg_describe_model(const struct kgpt *k); /* in detail */
void kg_describe_memory(const struct kgpt *k);
void kg_describe_cpu(const struct kgpt *k);

#endif
