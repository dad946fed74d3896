/* Numbers from text. The whole text must be the number: no sign, no spaces, no trailing garbage. */
#ifndef KGPT_PARSE_H
#define KGPT_PARSE_H

#include <stdbool.h>
#include <stdint.h>

bool kg_parse_u64(const char *text, uint64_t *value);  /* decimal, or hexadecimal after 0x */
bool kg_parse_decimal(const char *text, float *value); /* 12, 0.5, .5, 1e-3; at most 19 significant digits */

/* The same as the nearest double: so only numbers of at most 15 significant digits between 1e-22 and 1e22 are taken, for
 * which one division of exact numbers is all that is needed. */
bool kg_parse_double(const char *text, double *value);

#endif
