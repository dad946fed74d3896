/* The corpus inside a kernel that can train: see app/corpus_data.c. */
#ifndef KGPT_CORPUS_DATA_H
#define KGPT_CORPUS_DATA_H

#include <stdint.h>

extern const char kgpt_corpus[];        /* UTF-8 */
extern const uint64_t kgpt_corpus_size; /* bytes; 0: the loader must supply a corpus */

#endif
