/* The embedded corpus: the text itself is in the generated header. */
#include "kgpt/corpus_data.h"

#include "kgpt_corpus.h"

const uint64_t kgpt_corpus_size = KGPT_CORPUS_SIZE;
