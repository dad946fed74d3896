/* The line at the bottom of the screen: the model, what it does, processors, memory. */
#ifndef KGPT_APP_STATUSLINE_H
#define KGPT_APP_STATUSLINE_H

#include "app/kgpt.h"

/* Shows what is being done, a short phrase. Nothing happens where there is no screen. */
void kg_statusline(struct kgpt *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Is it time to show something anew? For what changes with every token: four times a second is enough to read. */
bool kg_statusline_due(struct kgpt *k);

#endif
