/* Drafts from the context: see drafts.h. A scan of the tokens costs far less than a forward pass: 4,096 tokens take
 * about a microsecond. */
#include "drafts.h"

#define LONGEST_MATCH 16u /* longer matches are not worth more */

static uint32_t token_at(const struct kg_ngram *ngram, uint32_t at)
{
    return at < ngram->n ? ngram->tokens[at] : ngram->last;
}

/* How many tokens up to `at` are the same as the last ones of the sequence. */
static uint32_t match_length(const struct kg_ngram *ngram, uint32_t at)
{
    uint32_t length = 1, most = at + 1 < LONGEST_MATCH ? at + 1 : LONGEST_MATCH;
    while (length < most && ngram->tokens[at - length] == ngram->tokens[ngram->n - length]) {
        length++;
    }
    return length;
}

/* Of equally long matches the newest one. */
void kg_ngram_find(struct kg_ngram *ngram)
{
    ngram->length = 0;
    for (uint32_t at = ngram->n; at > 0 && ngram->length < LONGEST_MATCH; at--) {
        if (ngram->tokens[at - 1] != ngram->last) {
            continue;
        }
        uint32_t length = match_length(ngram, at - 1);
        if (length > ngram->length) {
            ngram->length = length;
            ngram->at = at;
        }
    }
}

void kg_ngram_copy(const struct kg_ngram *ngram, uint32_t *drafts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = ngram->at + i;
        drafts[i] = at <= ngram->n ? token_at(ngram, at) : drafts[at - ngram->n - 1];
    }
}
