/* printf into a bounded buffer.
 *
 * Conversions: %d %i %u %x %X %c %s %p %f %%, sizes h hh l ll z t, flags - 0 ' (commas between thousands), width and
 * precision as a number or *. %f prints at most 9 decimals. Other characters are copied unchanged. */
#ifndef KGPT_FORMAT_H
#define KGPT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most size - 1 bytes and a NUL (nothing if size is 0). Returns the length of the untruncated text. */
size_t kg_format(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t kg_vformat(char *out, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));

/* The number of bytes stored by a call that returned `length` for a buffer of `size` bytes. */
static inline size_t kg_format_stored(size_t length, size_t size)
{
    return length < size ? length : size ? size - 1 : 0;
}

/* The plural ending for a count: "" for 1, "s" otherwise. */
const char *kg_plural(uint64_t n);

#endif
