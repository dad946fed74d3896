/* printf to the console, for a line at a time. */
#ifndef KGPT_APP_PRINT_H
#define KGPT_APP_PRINT_H

#include "kgpt/error.h"

/* At most 1,023 bytes: longer texts go to plat_write themselves. */
void kg_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "kgpt: message" and, if there is one, its hint. */
void kg_print_error(const struct kg_error *error);

/* `bytes` in the largest unit that leaves it readable: "512 bytes", "22 KB", "126 MB". */
struct kg_amount {
    char text[24];
};
struct kg_amount kg_amount(unsigned long bytes);

#endif
