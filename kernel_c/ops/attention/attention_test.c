/* The tables that this processor can run give the bits of the definition. */
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/test.h"
#include "versions.h"

#define QUERIES 5u
#define POSITIONS 21u
#define DIM 72u
#define WIDTH 80u

struct steps {
    float keys[POSITIONS * WIDTH], scores[QUERIES * POSITIONS], out[QUERIES * WIDTH];
};

/* Queries with POSITIONS heads as keys and values. */
static void run_steps(const struct kg_attention_ops *ops, enum kg_kv_type type, struct steps *to)
{
    uint8_t cache[POSITIONS * DIM * sizeof(float)];
    float queries[QUERIES * WIDTH], head[DIM];
    struct kg_random random;
    kg_random_seed(&random, 1, type);
    for (uint32_t i = 0; i < QUERIES * WIDTH; i++) {
        queries[i] = kg_random_uniform(&random) * 4 - 2;
    }
    for (uint32_t i = 0; i < POSITIONS; i++) {
        for (uint32_t d = 0; d < DIM; d++) {
            head[d] = kg_random_uniform(&random) * 4 - 2;
        }
        ops->store[type](cache + i * kg_kv_size(type, DIM), head, DIM);
    }
    memset(to->out, 0, sizeof to->out);
    ops->load[type](to->keys, WIDTH, cache, POSITIONS, DIM, 0, DIM);
    ops->scores(to->scores, POSITIONS, queries, QUERIES, to->keys, POSITIONS, WIDTH, 0.3f);
    for (uint32_t q = 0; q < QUERIES; q++) {
        float *row = to->scores + q * POSITIONS;
        ops->powers(row, POSITIONS, ops->largest(row, POSITIONS));
        ops->divide(row, row, POSITIONS, 3);
    }
    ops->add_values(to->out, WIDTH, to->scores, POSITIONS, QUERIES, to->keys, POSITIONS, WIDTH);
}

KG_TEST(attention, versions_give_the_same_bits)
{
    struct steps *steps = kg_arena_take(t->arena, 2 * sizeof *steps);
    for (enum kg_kv_type type = 0; type < KG_N_KV; type++) {
        run_steps(&kg_attention_ref, type, &steps[0]);
        for (enum kg_isa isa = 0; isa < KG_N_ISA; isa++) {
            run_steps(kg_attention_choose(t->cpu->features, isa), type, &steps[1]);
            KG_CHECK(t, memcmp(&steps[0], &steps[1], sizeof *steps) == 0);
        }
    }
}

KG_TEST(attention, powers_are_kg_expf)
{
    const struct kg_attention_ops *ops = kg_attention_choose(t->cpu->features, KG_ISA_AVX512);
    union {
        uint32_t bits;
        float value;
    } u, found, expected;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 0x12345) {
        u.bits = (uint32_t)bits;
        found.value = u.value;
        ops->powers(&found.value, 1, 0);
        expected.value = kg_expf(u.value);
        KG_CHECK(t, found.bits == expected.bits || expected.value != expected.value);
    }
}

#define HALVES 16u
#define BLOCK 32u

/* Every half, and floats of every exponent: also those that are no numbers, whose bits are the definition's, too. */
KG_TEST(attention, halves_are_those_of_the_definition)
{
    for (enum kg_isa isa = 0; isa < KG_N_ISA; isa++) {
        const struct kg_attention_ops *ops = kg_attention_choose(t->cpu->features, isa);
        uint16_t halves[2][HALVES];
        float floats[2][HALVES];
        for (uint32_t first = 0; first <= UINT16_MAX; first += HALVES) {
            for (uint32_t i = 0; i < HALVES; i++) {
                halves[0][i] = (uint16_t)(first + i);
            }
            ops->load[KG_KV_F16](floats[0], HALVES, (const uint8_t *)halves[0], 1, HALVES, 0, HALVES);
            kg_kv_load_f16_ref(floats[1], HALVES, (const uint8_t *)halves[0], 1, HALVES, 0, HALVES);
            KG_CHECK(t, memcmp(floats[0], floats[1], sizeof floats[0]) == 0);
        }
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 0x345671) {
            for (uint32_t i = 0; i < HALVES; i++) {
                uint32_t one = (uint32_t)bits + 0x1FFF * i;
                memcpy(&floats[0][i], &one, sizeof one);
            }
            ops->store[KG_KV_F16]((uint8_t *)halves[0], floats[0], HALVES);
            kg_kv_store_f16_ref((uint8_t *)halves[1], floats[0], HALVES);
            KG_CHECK(t, memcmp(halves[0], halves[1], sizeof halves[0]) == 0);
        }
    }
}

/* Blocks of bytes with a scale: zeros, and magnitudes from the smallest to the largest. */
KG_TEST(attention, bytes_are_those_of_the_definition)
{
    uint8_t stored[2][BLOCK + sizeof(float)];
    float head[BLOCK], floats[2][BLOCK];
    struct kg_random random;
    kg_random_seed(&random, 1, 2);
    for (enum kg_isa isa = 0; isa < KG_N_ISA; isa++) {
        const struct kg_attention_ops *ops = kg_attention_choose(t->cpu->features, isa);
        for (uint32_t exponent = 0; exponent < 255; exponent += 2) {
            uint32_t bits = exponent << 23;
            float size;
            memcpy(&size, &bits, sizeof size);
            for (uint32_t i = 0; i < BLOCK; i++) {
                head[i] = (kg_random_uniform(&random) * 2 - 1) * size;
            }
            ops->store[KG_KV_Q8](stored[0], head, BLOCK);
            kg_kv_store_q8_ref(stored[1], head, BLOCK);
            KG_CHECK(t, memcmp(stored[0], stored[1], sizeof stored[0]) == 0);
            ops->load[KG_KV_Q8](floats[0], BLOCK, stored[0], 1, BLOCK, 0, BLOCK);
            kg_kv_load_q8_ref(floats[1], BLOCK, stored[0], 1, BLOCK, 0, BLOCK);
            KG_CHECK(t, memcmp(floats[0], floats[1], sizeof floats[0]) == 0);
        }
    }
}
