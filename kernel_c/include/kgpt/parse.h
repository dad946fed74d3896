/* Parsers for numbers. The whole text must be the number: no sign, no spaces, no trailing characters. */
#ifndef KGPT_PARSE_H
#define KGPT_PARSE_H

#include <stdbool.h>
#include <stdint.h>

bool kg_parse_u64(const char *text, uint64_t *value);  /* decimal, or hexadecimal after 0x */
bool kg_parse_decimal(const char *text, float *value); /* 12, 0.5, .5, 1e-3; at most 19 significant digits */

/* The nearest double. Accepts at most 15 significant digits and magnitudes from 1e-22 to 1e22: then digits and power
 * of ten are exact doubles, so one division or multiplication rounds correctly. */
bool kg_parse_double(const char *text, double *value);

#endif
