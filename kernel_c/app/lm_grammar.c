/* The grammar that replies stay within (docs/constrained.md): where its text comes from, and its memory. See lm.h. */
#include "lm.h"

#include "app/events/print.h"

#include "kgpt/grammar_schema.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define GRAMMAR_ROOM (256u << 10)  /* bytes of a program */
#define GRAMMAR_SCRATCH (1u << 20) /* … while it is made: with more free memory, longer grammars */

static bool holds(struct kg_text text, const char *part)
{
    size_t n = kg_strlen(part);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (memcmp(text.data + i, part, n) == 0) {
            return true;
        }
    }
    return false;
}

/* A grammar never begins with a brace, and the schemas that say something do. */
static bool is_schema(struct kg_text text)
{
    size_t i = 0;
    while (i < text.n &&
           (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\n' || text.data[i] == '\r')) {
        i++;
    }
    return i < text.n && text.data[i] == '{';
}

/* The text that the setting stands for; no data: there is no grammar. */
static enum kg_status find_grammar(const struct kgpt *k, struct kg_text *text, struct kg_error *error)
{
    const struct kg_lm_config *config = &k->config.lm;
    const char *word = config->grammar[0] || !config->long_grammar ? config->grammar : config->long_grammar;
    *text = (struct kg_text){word, kg_strlen(word)};
    if (!*word || kg_streq(word, "off")) {
        text->data = NULL;
        return KG_OK;
    }
    if (kg_streq(word, "json")) { /* any object */
        static const char object[] = "{\"type\": \"object\"}";
        *text = (struct kg_text){object, sizeof object - 1};
        return KG_OK;
    }
    if (word == config->long_grammar || is_schema(*text) || holds(*text, "::=")) {
        return KG_OK;
    }
    const struct kg_file *file = kg_lm_find_file(k, word);
    if (!file) {
        kg_error_set(error, KG_E_INPUT, "grammar=%.64s is no grammar, and no file of this machine", word);
        kg_error_hint(error,
                      "write rules, such as root ::= \"yes\" | \"no\", or bring a file with kgpt run --file PATH");
        return KG_E_INPUT;
    }
    *text = (struct kg_text){file->data, file->size};
    return KG_OK;
}

static void carve_grammar(struct kg_lm_grammar *grammar, const struct kg_lm *lm, struct kg_arena *arena)
{
    grammar->n = lm->batch.n;
    kg_token_order_carve(&grammar->order, &lm->loaded.vocab, arena);
    grammar->matchers = kg_arena_array(arena, grammar->n, sizeof *grammar->matchers);
    for (uint32_t i = 0; i < grammar->n; i++) {
        struct kg_matcher counted;
        kg_matcher_carve(arena->counts ? &counted : &grammar->matchers[i], &grammar->order, arena);
    }
    void *memory = kg_arena_take(arena, GRAMMAR_ROOM);
    if (!arena->counts) {
        kg_arena_init(&grammar->memory, memory, GRAMMAR_ROOM);
    }
}

/* With what sorts the tokens, and what makes a program. */
static void count_grammar(const struct kg_lm *lm, struct kg_arena *counted)
{
    struct kg_lm_grammar grammar;
    carve_grammar(&grammar, lm, counted);
    size_t sorting = kg_token_order_scratch(&lm->loaded.vocab);
    kg_arena_reserve(counted, sorting > GRAMMAR_SCRATCH ? sorting : GRAMMAR_SCRATCH);
}

void kg_lm_grammar_count(const struct kgpt *k, struct kg_arena *counted)
{
    struct kg_text text;
    struct kg_error error;
    if (find_grammar(k, &text, &error) == KG_OK && text.data) {
        count_grammar(k->lm, counted);
    }
}

/* The memory of grammars for the model in use, above everything else that it has. */
static enum kg_status open_grammar(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct kg_lm_grammar *grammar = &lm->grammar;
    struct kg_arena counted = kg_arena_counting();
    count_grammar(lm, &counted);
    if (counted.peak > kg_arena_left(&k->arena)) {
        kg_error_set(error, KG_E_MEMORY, "grammars need %s of memory, and %s are free", kg_amount(counted.peak).text,
                     kg_amount(kg_arena_left(&k->arena)).text);
        kg_error_hint(error,
                      "give the machine more memory, or boot with the grammar: it then chooses a smaller context");
        return KG_E_MEMORY;
    }
    carve_grammar(grammar, lm, &k->arena);
    grammar->open = true;
    for (uint32_t i = 0; i < grammar->n; i++) {
        (grammar->n > 1 ? lm->batch.slots[i].conversation : &lm->conversation)->matcher = &grammar->matchers[i];
    }
    return kg_token_order_fill(&grammar->order, lm->loaded.end_token, &k->arena, error);
}

enum kg_status kg_lm_grammar_use(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm_grammar *grammar = &k->lm->grammar;
    struct kg_grammar made;
    struct kg_text text;
    enum kg_status status = find_grammar(k, &text, error);
    if (status == KG_OK && text.data && !grammar->open) {
        status = open_grammar(k, error);
    }
    if (status == KG_OK && text.data) {
        kg_arena_rewind(&grammar->memory, 0);
        grammar->active = false;
        status = is_schema(text) ? kg_grammar_read_schema(&made, text, &grammar->memory, &k->arena, error)
                                 : kg_grammar_read(&made, text, &grammar->memory, &k->arena, error);
    }
    if (status == KG_OK) {
        grammar->active = text.data != NULL;
        grammar->text = text;
        grammar->grammar = text.data ? made : grammar->grammar;
        memcpy(grammar->word, k->config.lm.grammar, sizeof grammar->word);
    }
    return status;
}

void kg_lm_grammar_changed(struct kgpt *k)
{
    struct kg_lm *lm = k->lm;
    struct kg_error error, again;
    if (!lm->in_use || kg_streq(k->config.lm.grammar, lm->grammar.word)) {
        return;
    }
    if (kg_lm_grammar_use(k, &error) != KG_OK) { /* the one before stays */
        memcpy(k->config.lm.grammar, lm->grammar.word, sizeof lm->grammar.word);
        if (kg_lm_grammar_use(k, &again) != KG_OK) {
            k->config.lm.grammar[0] = '\0';
        }
        kg_say_refused(&error);
    }
}
