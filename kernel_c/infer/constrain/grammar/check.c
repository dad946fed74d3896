/* Which rules of a grammar may match nothing, and whether one begins with itself. A matcher goes into rules until a
 * byte is wanted: with left recursion it would never come to one. */
#include "build.h"

bool kg_expr_is_empty(const struct kg_builder *b, uint32_t expr)
{
    const struct kg_expr *e = &b->exprs[expr];
    switch (e->kind) {
    case KG_EXPR_TEXT: return e->n == 0;
    case KG_EXPR_CLASS: return false;
    case KG_EXPR_REPEAT: return e->least == 0 || kg_expr_is_empty(b, e->first);
    case KG_EXPR_RULE: return b->rules[e->first].empty;
    default: break;
    }
    bool choice = e->kind == KG_EXPR_CHOICE;
    for (uint32_t i = e->first; i != KG_NO_EXPR; i = b->exprs[i].next) {
        if (kg_expr_is_empty(b, i) == choice) {
            return choice;
        }
    }
    return !choice;
}

static void find_empty_rules(struct kg_builder *b)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < b->n_rules; i++) {
            struct kg_rule *rule = &b->rules[i];
            if (!rule->empty && rule->body != KG_NO_EXPR && kg_expr_is_empty(b, rule->body)) {
                rule->empty = changed = true;
            }
        }
    }
}

/* A rule that is not safe and that the expression may begin with; KG_NO_EXPR: there is none. */
static uint32_t unsafe_beginning(const struct kg_builder *b, uint32_t expr)
{
    const struct kg_expr *e = &b->exprs[expr];
    if (e->kind == KG_EXPR_RULE) {
        return b->rules[e->first].safe ? KG_NO_EXPR : e->first;
    }
    if (e->kind == KG_EXPR_REPEAT) {
        return e->most == 0 ? KG_NO_EXPR : unsafe_beginning(b, e->first);
    }
    if (e->kind != KG_EXPR_SEQUENCE && e->kind != KG_EXPR_CHOICE) {
        return KG_NO_EXPR;
    }
    for (uint32_t i = e->first; i != KG_NO_EXPR; i = b->exprs[i].next) {
        uint32_t rule = unsafe_beginning(b, i);
        if (rule != KG_NO_EXPR || (e->kind == KG_EXPR_SEQUENCE && !kg_expr_is_empty(b, i))) {
            return rule;
        }
    }
    return KG_NO_EXPR;
}

/* Marks a rule as safe if all that it may begin with is safe. */
static bool mark_safe(struct kg_builder *b, uint32_t i)
{
    struct kg_rule *rule = &b->rules[i];
    if (rule->safe || (rule->body != KG_NO_EXPR && unsafe_beginning(b, rule->body) != KG_NO_EXPR)) {
        return false;
    }
    return rule->safe = true;
}

uint32_t kg_check_rules(struct kg_builder *b)
{
    bool changed = true;
    find_empty_rules(b);
    while (changed) { /* in both directions: a chain of rules in the order of a text takes one round */
        changed = false;
        for (uint32_t i = 0; i < b->n_rules; i++) {
            changed |= mark_safe(b, i);
        }
        for (uint32_t i = b->n_rules; i > 0; i--) {
            changed |= mark_safe(b, i - 1);
        }
    }
    uint32_t rule = 0;
    while (rule < b->n_rules && b->rules[rule].safe) {
        rule++;
    }
    if (rule == b->n_rules) {
        return KG_NO_EXPR;
    }
    for (uint32_t i = 0; i < b->n_rules; i++) { /* leads into a circle */
        rule = unsafe_beginning(b, b->rules[rule].body);
    }
    return rule;
}
