/* The labels of the command line become grammars: see modbus.h. */
#include "modbus.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define RULES 1024u /* bytes of a grammar: "root ::= ", and each label with quotes and a bar */

static enum kg_status refuse_labels(struct kg_error *error, const char *why)
{
    kg_error_set(error, KG_E_INPUT, "labels=: %s", why);
    kg_error_hint(error, "give what an answer may be, with commas between: labels=ok,warn,alarm; a slash begins "
                         "another set: labels=ok,warn,alarm/yes,no");
    return KG_E_INPUT;
}

static bool label_is_plain(struct kg_text label)
{
    size_t length;
    for (size_t i = 0; i < label.n; i += length) {
        length = kg_utf8_length(label.data + i, label.n - i);
        if (!length || (unsigned char)label.data[i] < ' ' || label.data[i] == '"' || label.data[i] == '\\') {
            return false;
        }
    }
    return label.n > 0 && label.n <= KG_MODBUS_LABEL_BYTES;
}

static bool set_has_label(const struct kg_label_set *set, struct kg_text label)
{
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->labels[i].n == label.n && memcmp(set->labels[i].data, label.data, label.n) == 0) {
            return true;
        }
    }
    return false;
}

static enum kg_status make_label_grammar(struct kg_modbus *modbus, struct kg_label_set *set, struct kg_error *error)
{
    char rules[RULES];
    size_t n = kg_format(rules, sizeof rules, "root ::= ");
    for (uint32_t i = 0; i < set->n; i++) {
        n += kg_format(rules + n, sizeof rules - n, "%s\"%.*s\"", i ? " | " : "", (int)set->labels[i].n,
                       set->labels[i].data);
    }
    return kg_grammar_read(&set->grammar, (struct kg_text){rules, n}, &modbus->memory, &modbus->server->k->arena,
                           error);
}

/* Reads a set from *text on, and leaves *text behind it. */
static enum kg_status read_label_set(struct kg_modbus *modbus, const char **text, struct kg_error *error)
{
    struct kg_label_set *set = &modbus->sets[modbus->n_sets++];
    const char *at = *text;
    for (;;) {
        struct kg_text label = {at, 0};
        while (at[label.n] && at[label.n] != ',' && at[label.n] != '/') {
            label.n++;
        }
        if (!label_is_plain(label)) {
            return refuse_labels(error, "a label has 1 to 63 bytes of UTF-8, without quotes and backslashes");
        }
        if (set_has_label(set, label)) {
            return refuse_labels(error, "a label stands twice in its set");
        }
        if (set->n == KG_MODBUS_LABELS) {
            return refuse_labels(error, "a set has at most 32 labels");
        }
        set->labels[set->n++] = label;
        at += label.n;
        if (*at != ',') {
            break;
        }
        at++;
    }
    *text = at;
    return set->n < 2 ? refuse_labels(error, "a set has at least two labels") : make_label_grammar(modbus, set, error);
}

enum kg_status kg_modbus_read_labels(struct kg_modbus *modbus, struct kg_error *error)
{
    const char *text = modbus->server->k->config.lm.labels;
    if (!*text) {
        return refuse_labels(error, "modbus=on needs the labels that an answer is one of");
    }
    for (;;) {
        if (modbus->n_sets == KG_MODBUS_SETS) {
            return refuse_labels(error, "there are at most 4 sets");
        }
        enum kg_status status = read_label_set(modbus, &text, error);
        if (status != KG_OK || !*text) {
            return status;
        }
        text++;
    }
}
