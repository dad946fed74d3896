/* Shared by the files of this platform. */
#ifndef KGPT_PLATFORM_LINUX_H
#define KGPT_PLATFORM_LINUX_H

#include "kgpt/platform.h"

bool kg_linux_console_init(
    void); /* raw mode on a terminal until exit; Ctrl-C is read as a byte. True if it is a terminal */
void kg_linux_console_restore(void); /* safe in a signal handler */
void kg_linux_events_init(int fd);   /* -1: no reader */
void kg_linux_signals_init(void);    /* fault signals end the run as a panic */

void kg_linux_listen_on(const char *address); /* sockets.c: an IPv4 or IPv6 address of this host */

/* pages.c: a copy of the file in huge pages, which can be written. NULL: they do not pay, or there are none. */
void *kg_linux_read_huge(int fd, size_t size);
void kg_linux_embedded_model_huge(void); /* puts the embedded model into huge pages, if they pay */

bool kg_linux_fault_later(const char *kind); /* threads.c: causes the fault when threads start or work */

/* disks.c: makes a file a disk (kgpt/device.h), which can be written if the file can. Returns NULL, or why not. Ends
 * the path before its words. */
const char *kg_linux_add_disk(char *path, bool writable);

#endif
