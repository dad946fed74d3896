/* How far the reading of a file is, as text. */
#ifndef KGPT_LOADER_PROGRESS_H
#define KGPT_LOADER_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#define KG_PROGRESS_BYTES 200

/* `milliseconds` have passed since the first byte. `columns`: at most 100 are used. ASCII, with # as the bar. */
void kg_progress_text(char text[KG_PROGRESS_BYTES], uint64_t done, uint64_t total, uint64_t milliseconds,
                      size_t columns);

#endif
