/* printf to the console, for a line at a time. */
#ifndef KGPT_APP_PRINT_H
#define KGPT_APP_PRINT_H

#include <stddef.h>

#include "kgpt/error.h"
#include "kgpt/format.h"

/* At most 1,023 bytes: longer texts go to plat_text themselves. */
void kg_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the line editor shows of a line that is typed. */
void kg_print_typed(const char *text, size_t n);

/* "kgpt: message" and, if there is one, its hint. */
void kg_print_error(const struct kg_error *error);

/* `bytes` in the largest unit that leaves it readable: "512 bytes", "22 KB", "126 MB". */
struct kg_amount {
    char text[24];
};
struct kg_amount kg_amount(unsigned long bytes);

#endif
