#include "kgpt/mem.h"
#include "kgpt/ops.h"
#include "kgpt/random.h"
#include "kgpt/test.h"

#define MOST_COLUMNS 70
#define MOST_ROWS 9

static void fill_random_floats(float *x, size_t n, uint64_t seed)
{
    struct kg_random random;
    kg_random_seed(&random, seed, 0);
    for (size_t i = 0; i < n; i++) { /* magnitudes from 2^-8 to 2^7, both signs, and some zeros of either sign */
        uint64_t word = kg_random_next(&random);
        float sign = word & 1 ? -1.0f : 1.0f;
        x[i] = word >> 1 & 7 ? sign * kg_random_uniform(&random) * (float)(1u << (word >> 8 & 15)) / 256 : sign * 0.0f;
    }
}

KG_TEST(ops, dot_adds_in_the_order_of_the_definition)
{
    float a[40] = {0}, ones[40];
    struct kg_ops ops;
    kg_ops_fill(&ops, 0, KG_ISA_C);
    for (int i = 0; i < 40; i++) {
        ones[i] = 1.0f;
    }
    a[0] = 0x1p24f;
    a[8] = a[24] = 1.0f; /* added in lane 8 before 2^24: a single 1 would be lost */
    KG_CHECK(t, ops.dot(a, ones, 40) == 0x1p24f + 2);
    a[8] = a[24] = 0;
    a[16] = a[32] = 1.0f; /* each is added to 2^24 in lane 0 and lost */
    KG_CHECK(t, ops.dot(a, ones, 40) == 0x1p24f);
}

KG_TEST(ops, dot_of_nothing_and_of_minus_zero_is_zero)
{
    const float minus_zero = -0.0f, one = 1.0f, zero = 0.0f;
    for (uint32_t isa = 0; isa < KG_N_ISA; isa++) {
        struct kg_ops ops;
        kg_ops_fill(&ops, t->cpu->features, isa);
        float nothing = ops.dot(&one, &one, 0), sum = ops.dot(&minus_zero, &one, 1);
        KG_CHECK(t, memcmp(&nothing, &zero, sizeof zero) == 0);
        KG_CHECK(t, memcmp(&sum, &zero, sizeof zero) == 0);
    }
}

static void same_dots(struct kg_test *t, const struct kg_ops *ops, const struct kg_ops *reference)
{
    float *a = kg_arena_take(t->arena, 4 * (MOST_COLUMNS + 3)), *b = kg_arena_take(t->arena, 4 * (MOST_COLUMNS + 3));
    for (size_t n = 0; n <= MOST_COLUMNS; n++) {
        fill_random_floats(a, MOST_COLUMNS + 3, n);
        fill_random_floats(b, MOST_COLUMNS + 3, n + 1000);
        size_t skip = n % 4; /* any alignment */
        float expected = reference->dot(a + skip, b, n), found = ops->dot(a + skip, b, n);
        if (memcmp(&expected, &found, sizeof found) != 0) {
            kg_test_fail(t, __LINE__, "%s: dot of %zu is %.9f, expected %.9f", kg_isa_names[ops->isa], n, (double)found,
                         (double)expected);
            return;
        }
    }
}

static void same_matmuls(struct kg_test *t, const struct kg_ops *ops, const struct kg_ops *reference)
{
    float *w = kg_arena_take(t->arena, 4 * MOST_ROWS * MOST_COLUMNS), *x = kg_arena_take(t->arena, 4 * MOST_COLUMNS);
    for (size_t rows = 1; rows <= MOST_ROWS; rows++) {
        for (size_t columns = 1; columns <= MOST_COLUMNS; columns += columns < 20 ? 1 : 5) {
            float expected[MOST_ROWS + 1], found[MOST_ROWS + 1];
            fill_random_floats(w, rows * columns, rows);
            fill_random_floats(x, columns, columns);
            expected[rows] = found[rows] = 7;
            reference->matmul(expected, w, x, rows, columns);
            ops->matmul(found, w, x, rows, columns);
            if (memcmp(expected, found, (rows + 1) * sizeof(float)) != 0) {
                kg_test_fail(t, __LINE__, "%s: matmul of (%zu, %zu) differs", kg_isa_names[ops->isa], rows, columns);
                return;
            }
        }
    }
}

KG_TEST(ops, every_isa_gives_the_bits_of_the_reference)
{
    struct kg_ops reference, ops;
    kg_ops_fill(&reference, 0, KG_N_ISA - 1);
    KG_CHECK_EQ(t, reference.isa, KG_ISA_C);
    for (uint32_t isa = 0; isa < KG_N_ISA && !t->failed; isa++) {
        kg_ops_fill(&ops, t->cpu->features, isa);
        same_dots(t, &ops, &reference);
        if (!t->failed) {
            same_matmuls(t, &ops, &reference);
        }
    }
}
