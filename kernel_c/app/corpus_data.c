/* The embedded corpus: the generated header holds the text. */
#include "kgpt/corpus_data.h"

#include "kgpt_corpus.h"

const uint64_t kgpt_corpus_size = KGPT_CORPUS_SIZE;
