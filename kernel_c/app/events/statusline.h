/* The status line at the bottom of the screen: model, present work, processors, memory. */
#ifndef KGPT_APP_STATUSLINE_H
#define KGPT_APP_STATUSLINE_H

#include "app/kgpt.h"

/* Shows a short phrase for the present work. Does nothing without a screen. */
void kg_statusline(struct kgpt *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True if the last update is a quarter of a second old: for values that change with every token. */
bool kg_statusline_due(struct kgpt *k);

#endif
