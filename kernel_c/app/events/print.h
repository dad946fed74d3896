/* printf to the console, a line at a time. */
#ifndef KGPT_APP_PRINT_H
#define KGPT_APP_PRINT_H

#include <stddef.h>

#include "kgpt/error.h"
#include "kgpt/format.h"
#include "kgpt/voice.h"

/* Prints at most 1,023 bytes; use plat_text for a longer text. */
void kg_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kg_print_as(enum kg_voice voice, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the line editor's output in the voice of the user. */
void kg_print_typed(const char *text, size_t n);

/* Prints "kgpt: MESSAGE", and the hint unless it is empty. */
void kg_print_error(const struct kg_error *error);

/* `bytes` in the largest unit that keeps it exact enough: "512 bytes", "22 KB", "126 MB". */
struct kg_amount {
    char text[24];
};
struct kg_amount kg_amount(unsigned long bytes);

#endif
