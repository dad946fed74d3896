/* The tree of a grammar that is being built: see build.h. */
#include "build.h"

#include "kgpt/mem.h"

#define BUILD_MOST (2u << 20) /* bytes of a tree */

bool kg_build_begin(struct kg_builder *b, struct kg_arena *arena)
{
    size_t bytes = kg_arena_left(arena) / 2;
    bytes = bytes < BUILD_MOST ? bytes : BUILD_MOST;
    *b = (struct kg_builder){
        .most_exprs = (uint32_t)(bytes / 2 / sizeof *b->exprs),
        .most_rules = (uint32_t)(bytes / 8 / sizeof *b->rules),
        .most_ranges = (uint32_t)(bytes / 8 / sizeof *b->ranges),
        .most_bytes = (uint32_t)(bytes / 8),
    };
    b->exprs = kg_arena_array(arena, b->most_exprs, sizeof *b->exprs);
    b->rules = kg_arena_array(arena, b->most_rules, sizeof *b->rules);
    b->ranges = kg_arena_array(arena, b->most_ranges, sizeof *b->ranges);
    b->bytes = kg_arena_array(arena, b->most_bytes, 1);
    return b->exprs && b->rules && b->ranges && b->bytes && b->most_exprs && b->most_rules;
}

enum kg_status kg_grammar_full(struct kg_error *error)
{
    kg_error_set(error, KG_E_MEMORY, "the grammar is too long for its memory");
    kg_error_hint(error, "shorten it, or give the machine more memory");
    return KG_E_MEMORY;
}

static uint32_t new_expr(struct kg_builder *b, struct kg_expr expr)
{
    if (b->n_exprs == b->most_exprs) {
        b->full = true;
        return 0;
    }
    expr.next = KG_NO_EXPR;
    b->exprs[b->n_exprs] = expr;
    return b->n_exprs++;
}

/* Copies bytes into the tree. Returns their offset. */
static uint32_t keep_bytes(struct kg_builder *b, const char *text, size_t n)
{
    uint32_t at = b->n_bytes;
    if (n > b->most_bytes - at) {
        b->full = true;
        return 0;
    }
    memcpy(b->bytes + at, text, n);
    b->n_bytes += (uint32_t)n;
    return at;
}

uint32_t kg_build_text(struct kg_builder *b, const char *text, size_t n)
{
    uint32_t at = keep_bytes(b, text, n);
    return new_expr(b, (struct kg_expr){.kind = KG_EXPR_TEXT, .first = at, .n = b->full ? 0 : (uint32_t)n});
}

uint32_t kg_build_span(struct kg_builder *b, uint32_t first, uint32_t n)
{
    return new_expr(b, (struct kg_expr){.kind = KG_EXPR_TEXT, .first = first, .n = n});
}

uint32_t kg_build_class(struct kg_builder *b, const struct kg_code_range *ranges, uint32_t n)
{
    uint32_t at = b->n_ranges;
    if (n > b->most_ranges - at) {
        b->full = true;
        n = 0;
    }
    memcpy(b->ranges + at, ranges, n * sizeof *ranges);
    b->n_ranges += n;
    return new_expr(b, (struct kg_expr){.kind = KG_EXPR_CLASS, .first = at, .n = n});
}

uint32_t kg_build_list(struct kg_builder *b, enum kg_expr_kind kind)
{
    return new_expr(b, (struct kg_expr){.kind = kind, .first = KG_NO_EXPR});
}

void kg_build_append(struct kg_builder *b, uint32_t list, uint32_t expr)
{
    if (b->full) {
        return;
    }
    struct kg_expr *parent = &b->exprs[list];
    if (parent->first == KG_NO_EXPR) {
        parent->first = expr;
    } else {
        b->exprs[parent->n].next = expr;
    }
    parent->n = expr;
}

uint32_t kg_build_repeat(struct kg_builder *b, uint32_t expr, uint32_t least, uint32_t most)
{
    return new_expr(b, (struct kg_expr){.kind = KG_EXPR_REPEAT, .first = expr, .least = least, .most = most});
}

uint32_t kg_build_rule(struct kg_builder *b, const char *name, size_t n, uint32_t at)
{
    for (uint32_t i = 0; i < b->n_rules; i++) {
        if (b->rules[i].n_name == n && memcmp(b->bytes + b->rules[i].name, name, n) == 0) {
            return i;
        }
    }
    uint32_t kept = keep_bytes(b, name, n);
    if (b->full || b->n_rules == b->most_rules) {
        b->full = true;
        return 0;
    }
    b->rules[b->n_rules] = (struct kg_rule){.name = kept, .n_name = (uint32_t)n, .body = KG_NO_EXPR, .at = at};
    return b->n_rules++;
}

uint32_t kg_build_call(struct kg_builder *b, uint32_t rule)
{
    return new_expr(b, (struct kg_expr){.kind = KG_EXPR_RULE, .first = rule});
}
