/* What the files of this platform share. */
#ifndef KGPT_PLATFORM_LINUX_H
#define KGPT_PLATFORM_LINUX_H

#include "kgpt/platform.h"

bool kg_linux_console_init(void);    /* raw mode on a terminal, given back at exit; Ctrl-C becomes a byte. Is it one? */
void kg_linux_console_restore(void); /* safe in a signal handler */
void kg_linux_events_init(int fd);   /* -1: nobody listens */
void kg_linux_signals_init(void);    /* a fault of ours ends the run as a panic does */

bool kg_linux_fault_later(const char *kind); /* threads.c: breaks them, when they are started or work */

#endif
