/* printf into a bounded buffer.
 *
 * Conversions: %d %i %u %x %X %c %s %p %f %%, with the sizes h hh l ll z t, the flags - 0 ' (thousands, by a comma), a
 * width and a precision, each a number or *. %f prints at most 9 decimals. Anything else is copied as it stands. */
#ifndef KGPT_FORMAT_H
#define KGPT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most size - 1 bytes and a NUL (nothing if size is 0); returns the length the whole text would have. */
size_t kg_format(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t kg_vformat(char *out, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));

/* The bytes of `text` that were really stored by a call that returned `length` for a buffer of `size`. */
static inline size_t kg_format_stored(size_t length, size_t size)
{
    return length < size ? length : size ? size - 1 : 0;
}

/* What stands behind a noun that is counted: "1 token", "2 tokens". */
const char *kg_plural(uint64_t n);

#endif
