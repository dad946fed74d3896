/* What the machine says about itself: at boot, and when the shell is asked. */
#ifndef KGPT_APP_REPORT_H
#define KGPT_APP_REPORT_H

#include "app/kgpt.h"

void kg_report_boot(const struct kgpt *k);   /* version, loader, memory, processor, instruction set */
void kg_report_model(const struct kgpt *k);  /* one line */
void kg_report_memory(const struct kgpt *k); /* one line */

/* Where a person sees a screen and has no keyboard: that, what there is instead, and what to do. */
void kg_report_keyboard(const struct kgpt *k);

void kg_describe_model(const struct kgpt *k); /* all there is to know */
void kg_describe_memory(const struct kgpt *k);
void kg_describe_cpu(const struct kgpt *k);

#endif
