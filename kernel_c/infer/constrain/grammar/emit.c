/* Makes the program of a grammar from its tree: see kgpt/grammar.h. */
#include "build.h"

#include "kgpt/mem.h"

#define OPS_MOST (1u << 18)
#define SETS_MOST (1u << 12)
#define COUNTERS_MOST (1u << 14)
#define COPIES_MOST 256u /* of what may be empty: its repetitions are not counted */

struct emit {
    struct kg_builder *b;
    uint32_t *ops;
    struct kg_byte_set *sets;
    struct kg_grammar_counter *counters;
    uint32_t n_ops, n_sets, n_counters;
    uint32_t most_ops, most_sets, most_counters;
    uint32_t of_byte[256]; /* 1 + the set of this byte alone; 0: there is none yet */
    bool full, uncounted;  /* no memory is left; a repetition cannot be counted */
};

static uint32_t emit_op(struct emit *e, enum kg_grammar_op kind, uint32_t operand)
{
    if (e->n_ops == e->most_ops) {
        e->full = true;
        return 0;
    }
    e->ops[e->n_ops] = kind | operand << 3;
    return e->n_ops++;
}

/* Sets the operand of an operation to the next place. */
static void patch_op(struct emit *e, uint32_t op)
{
    e->ops[op] = (e->ops[op] & 7) | e->n_ops << 3;
}

static uint32_t intern_byte_set(struct emit *e, const struct kg_byte_set *set)
{
    for (uint32_t i = 0; i < e->n_sets; i++) {
        if (memcmp(&e->sets[i], set, sizeof *set) == 0) {
            return i;
        }
    }
    if (e->n_sets == e->most_sets) {
        e->full = true;
        return 0;
    }
    e->sets[e->n_sets] = *set;
    return e->n_sets++;
}

static void add_to_set(struct kg_byte_set *set, uint32_t low, uint32_t high)
{
    for (uint32_t byte = low; byte <= high; byte++) {
        set->bits[byte / 64] |= 1ull << byte % 64;
    }
}

static void emit_literal_byte(struct emit *e, uint8_t byte)
{
    if (!e->of_byte[byte]) {
        struct kg_byte_set set = {{0}};
        add_to_set(&set, byte, byte);
        e->of_byte[byte] = intern_byte_set(e, &set) + 1;
    }
    emit_op(e, KG_OP_SET, e->of_byte[byte] - 1);
}

/* Alternatives that end at one place: each but the last begins with a fork, and ends with a jump. The jumps form a list
 * through their operands. */
struct alternatives {
    uint32_t jumps; /* the last jump; 0: none */
    uint32_t fork;
    bool open;
};

static void begin_alternative(struct emit *e, struct alternatives *a, bool last)
{
    if (a->open) {
        a->jumps = emit_op(e, KG_OP_JUMP, a->jumps);
        patch_op(e, a->fork);
    }
    a->open = !last;
    if (!last) {
        a->fork = emit_op(e, KG_OP_FORK, 0);
    }
}

static void end_alternatives(struct emit *e, const struct alternatives *a)
{
    for (uint32_t jump = a->jumps; jump && !e->full;) {
        uint32_t before = e->ops[jump] >> 3;
        patch_op(e, jump);
        jump = before;
    }
}

/* Characters of several bytes whose last bytes are alike are one alternative. */
struct byte_run {
    struct kg_byte_set first;
    struct kg_byte_sequence rest; /* all but its first byte */
};

#define RUNS_MOST 16u

static bool same_rest(const struct kg_byte_sequence *a, const struct kg_byte_sequence *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 1; i < a->n && same; i++) {
        same = a->low[i] == b->low[i] && a->high[i] == b->high[i];
    }
    return same;
}

static void emit_run(struct emit *e, struct alternatives *a, const struct byte_run *run, bool last)
{
    begin_alternative(e, a, last);
    emit_op(e, KG_OP_SET, intern_byte_set(e, &run->first));
    for (uint32_t i = 1; i < run->rest.n; i++) {
        struct kg_byte_set set = {{0}};
        add_to_set(&set, run->rest.low[i], run->rest.high[i]);
        emit_op(e, KG_OP_SET, intern_byte_set(e, &set));
    }
}

/* Adds a sequence of bytes to the runs. The oldest run is emitted if there are too many. */
static void add_sequence(struct emit *e, struct alternatives *a, struct byte_run *runs, uint32_t *n,
                         const struct kg_byte_sequence *sequence)
{
    uint32_t i = 0;
    while (i < *n && !same_rest(&runs[i].rest, sequence)) {
        i++;
    }
    if (i == RUNS_MOST) {
        emit_run(e, a, &runs[0], false);
        memmove(runs, runs + 1, (RUNS_MOST - 1) * sizeof *runs);
        i = --*n;
    }
    if (i == *n) {
        runs[(*n)++] = (struct byte_run){.rest = *sequence};
    }
    add_to_set(&runs[i].first, sequence->low[0], sequence->high[0]);
}

/* Not inlined: its frame is large, and its caller is recursive. */
static __attribute__((noinline)) void emit_class(struct emit *e, const struct kg_expr *expr)
{
    struct byte_run runs[RUNS_MOST];
    struct alternatives a = {0};
    uint32_t n_runs = 0;
    for (uint32_t i = 0; i < expr->n; i++) {
        struct kg_byte_sequence sequences[KG_SPLIT_MOST];
        uint32_t n = kg_split_range(e->b->ranges[expr->first + i], sequences);
        for (uint32_t j = 0; j < n; j++) {
            add_sequence(e, &a, runs, &n_runs, &sequences[j]);
        }
    }
    if (n_runs == 0) { /* no character: a set without bytes */
        const struct kg_byte_set nothing = {{0}};
        emit_op(e, KG_OP_SET, intern_byte_set(e, &nothing));
    }
    for (uint32_t i = 0; i < n_runs; i++) {
        emit_run(e, &a, &runs[i], i + 1 == n_runs);
    }
    end_alternatives(e, &a);
}

static void emit_expr(struct emit *e, uint32_t expr);

static void emit_choice(struct emit *e, const struct kg_expr *choice)
{
    struct alternatives a = {0};
    for (uint32_t i = choice->first; i != KG_NO_EXPR && !e->full; i = e->b->exprs[i].next) {
        begin_alternative(e, &a, e->b->exprs[i].next == KG_NO_EXPR);
        emit_expr(e, i);
    }
    end_alternatives(e, &a);
}

/* Copies, each of which may be the last. */
static void emit_copies(struct emit *e, uint32_t body, uint32_t n)
{
    struct alternatives a = {0};
    if (n > COPIES_MOST) {
        e->uncounted = true;
        return;
    }
    for (uint32_t i = 0; i < n && !e->full; i++) {
        a.jumps = emit_op(e, KG_OP_FORK, a.jumps);
        emit_expr(e, body);
    }
    end_alternatives(e, &a);
}

static void emit_counted(struct emit *e, uint32_t body, uint32_t least, uint32_t most)
{
    if (e->n_counters == e->most_counters) {
        e->full = true;
        return;
    }
    uint32_t fork = least ? 0 : emit_op(e, KG_OP_FORK, 0), counter = e->n_counters++;
    emit_op(e, KG_OP_COUNT, 0);
    e->counters[counter] = (struct kg_grammar_counter){.begin = e->n_ops, .least = least ? least : 1, .most = most};
    emit_expr(e, body);
    emit_op(e, KG_OP_AGAIN, counter);
    if (!least && !e->full) {
        patch_op(e, fork);
    }
}

static void emit_repeat(struct emit *e, const struct kg_expr *repeat)
{
    uint32_t body = repeat->first, least = repeat->least, most = repeat->most;
    bool empty = kg_expr_is_empty(e->b, body);
    least = empty ? 0 : least; /* repetitions of nothing count too */
    uint32_t start = e->n_ops;
    if (most == 0) {
        return;
    }
    if (least <= 1 && most == KG_ANY_NUMBER) {
        uint32_t fork = least ? 0 : emit_op(e, KG_OP_FORK, 0);
        emit_expr(e, body);
        emit_op(e, least ? KG_OP_FORK : KG_OP_JUMP, start);
        if (!least && !e->full) {
            patch_op(e, fork);
        }
    } else if (least == 1 && most == 1) {
        emit_expr(e, body);
    } else if (empty || most == 1) {
        emit_copies(e, body, most);
    } else {
        emit_counted(e, body, least, most);
    }
}

static void emit_expr(struct emit *e, uint32_t expr)
{
    const struct kg_expr *x = &e->b->exprs[expr];
    switch (x->kind) {
    case KG_EXPR_TEXT:
        for (uint32_t i = 0; i < x->n && !e->full; i++) {
            emit_literal_byte(e, (uint8_t)e->b->bytes[x->first + i]);
        }
        break;
    case KG_EXPR_CLASS: emit_class(e, x); break;
    case KG_EXPR_CHOICE: emit_choice(e, x); break;
    case KG_EXPR_REPEAT: emit_repeat(e, x); break;
    case KG_EXPR_RULE: /* until all rules are emitted the operand is its number */
        e->b->rules[x->first].wanted = true;
        emit_op(e, KG_OP_CALL, x->first);
        break;
    default:
        for (uint32_t i = x->first; i != KG_NO_EXPR && !e->full; i = e->b->exprs[i].next) {
            emit_expr(e, i);
        }
    }
}

static void emit_rules(struct emit *e, uint32_t root)
{
    struct kg_builder *b = e->b;
    if (e->full) {
        return;
    }
    emit_op(e, KG_OP_RETURN, 0); /* so that no operation that is looked for has the number 0 */
    b->rules[root].wanted = true;
    for (bool more = true; more && !e->full;) { /* until no rule is called that is not there */
        more = false;
        for (uint32_t i = 0; i < b->n_rules && !e->full; i++) {
            struct kg_rule *rule = &b->rules[i];
            if (rule->wanted && !rule->start && rule->body != KG_NO_EXPR) {
                rule->start = e->n_ops;
                emit_expr(e, rule->body);
                emit_op(e, KG_OP_RETURN, 0);
                more = true;
            }
        }
    }
    for (uint32_t i = 0; i < e->n_ops && !e->full; i++) {
        if ((e->ops[i] & 7) == KG_OP_CALL) {
            e->ops[i] = KG_OP_CALL | b->rules[e->ops[i] >> 3].start << 3;
        }
    }
}

/* Splits the bytes by each set in turn. */
static void find_classes(struct kg_grammar *grammar)
{
    memset(grammar->class_of, 0, sizeof grammar->class_of);
    grammar->n_classes = 1;
    for (uint32_t s = 0; s < grammar->n_sets; s++) {
        const uint64_t *bits = grammar->sets[s].bits;
        uint16_t inside[256], n_inside[256] = {0}, n_all[256] = {0};
        for (uint32_t byte = 0; byte < 256; byte++) {
            n_all[grammar->class_of[byte]]++;
            n_inside[grammar->class_of[byte]] += bits[byte / 64] >> byte % 64 & 1;
        }
        uint32_t n = grammar->n_classes;
        for (uint32_t c = 0; c < n; c++) {
            bool splits = n_inside[c] && n_inside[c] < n_all[c];
            inside[c] = (uint16_t)(splits ? grammar->n_classes++ : c);
        }
        for (uint32_t byte = 0; byte < 256; byte++) {
            if (bits[byte / 64] >> byte % 64 & 1) {
                grammar->class_of[byte] = (uint8_t)inside[grammar->class_of[byte]];
            }
        }
    }
    for (uint32_t byte = 256; byte > 0; byte--) {
        grammar->first_of[grammar->class_of[byte - 1]] = (uint8_t)(byte - 1);
    }
}

/* Copies a part of the program to its place. */
static const void *settle_part(struct emit *e, struct kg_arena *arena, const void *part, size_t bytes)
{
    void *place = kg_arena_take(arena, bytes);
    if (place) {
        memcpy(place, part, bytes);
    }
    e->full |= !place;
    return place;
}

static bool carve_emit(struct emit *e, struct kg_arena *arena)
{
    size_t left = kg_arena_left(arena);
    e->most_ops = (uint32_t)(left / 2 / sizeof *e->ops);
    e->most_ops = e->most_ops < OPS_MOST ? e->most_ops : OPS_MOST;
    e->most_sets = (uint32_t)(left / 4 / sizeof *e->sets);
    e->most_sets = e->most_sets < SETS_MOST ? e->most_sets : SETS_MOST;
    e->most_counters = (uint32_t)(left / 8 / sizeof *e->counters);
    e->most_counters = e->most_counters < COUNTERS_MOST ? e->most_counters : COUNTERS_MOST;
    e->ops = kg_arena_array(arena, e->most_ops, sizeof *e->ops);
    e->sets = kg_arena_array(arena, e->most_sets, sizeof *e->sets);
    e->counters = kg_arena_array(arena, e->most_counters, sizeof *e->counters);
    return e->ops && e->sets && e->counters;
}

enum kg_status kg_emit_program(struct kg_builder *b, uint32_t root, struct kg_grammar *grammar, struct kg_arena *arena,
                               struct kg_arena *scratch, struct kg_error *error)
{
    struct emit e = {.b = b};
    size_t used = arena->used;
    e.full = !carve_emit(&e, scratch);
    emit_rules(&e, root);
    if (e.uncounted) {
        kg_error_set(error, KG_E_INPUT, "the grammar repeats what may be empty up to more than %u times", COPIES_MOST);
        kg_error_hint(error, "write * or fewer repetitions, or repeat what is not empty");
        return KG_E_INPUT;
    }
    if (!e.full) {
        *grammar = (struct kg_grammar){
            .n_ops = e.n_ops, .n_sets = e.n_sets, .n_counters = e.n_counters, .start = b->rules[root].start};
        grammar->ops = settle_part(&e, arena, e.ops, e.n_ops * sizeof *e.ops);
        grammar->sets = settle_part(&e, arena, e.sets, e.n_sets * sizeof *e.sets);
        grammar->counters = settle_part(&e, arena, e.counters, e.n_counters * sizeof *e.counters);
    }
    if (e.full) {
        kg_arena_rewind(arena, used);
        return kg_grammar_full(error);
    }
    find_classes(grammar);
    return KG_OK;
}
