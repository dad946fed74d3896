/* All slots that this processor can run give the bits of plain C. */
#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/test.h"
#include "versions.h"

#define ROWS 19
#define TOKENS 5
#define MOST_COLUMNS 512

static const struct kg_ops base;

/* Random payload; halves are made finite and of moderate size. */
static void fill_random_rows(uint8_t *data, const struct kg_type_info *info, uint32_t columns, struct kg_random *random)
{
    size_t size = (size_t)ROWS * columns / info->block * info->bytes;
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(kg_random_next(random) >> 40);
        if (info->block == 1 && i % info->bytes == info->bytes - 1) {
            data[i] = (data[i] & 0x81) | 0x3c;
        }
    }
    for (size_t at = 0; info->block > 1 && at < size;) {
        uint32_t row = (uint32_t)(at / (columns / info->block * info->bytes)), left = ROWS - row / KG_GROUP * KG_GROUP;
        uint32_t n = left < KG_GROUP ? left : KG_GROUP;
        for (const struct kg_type_field *field = info->fields; field->bytes; field++) {
            for (uint32_t i = 1; field->unit == 2 && i < 2 * n; i += 2) {
                data[at + i] = (data[at + i] & 0x83) | 0x28;
            }
            at += n * field->bytes;
        }
    }
}

static void compare_slot(struct kg_test *t, const struct kg_quant_slot *slot, uint32_t type)
{
    const struct kg_type_info *info = kg_type_info(type);
    const uint32_t columns = info->block == 1 ? 53 : 2 * info->block;
    const size_t act = (kg_act_size(info->act, columns) + 63) / 64 * 64;
    uint8_t *data = kg_arena_take(t->arena, (size_t)ROWS * columns / info->block * info->bytes);
    uint8_t *acts = kg_arena_take(t->arena, TOKENS * act);
    float *x = kg_arena_take(t->arena, columns * sizeof *x), *y[2];
    struct kg_random random;
    kg_random_seed(&random, type, 0);
    fill_random_rows(data, info, columns, &random);
    const struct kg_matrix matrix = {data, type, ROWS, columns, info->fields[0].bytes != 0};
    for (uint32_t i = 0; i < 2; i++) {
        struct kg_quant_ops ops = {.base = &base};
        kg_quant_use(&ops, kg_quant_slots[0]);
        if (i) {
            kg_quant_use(&ops, slot);
        }
        for (uint32_t token = 0; token < TOKENS; token++) {
            kg_random_seed(&random, 1, token);
            for (uint32_t c = 0; c < columns; c++) {
                x[c] = kg_random_uniform(&random) * 4 - 2;
            }
            ops.act[info->act](acts + token * act, x, columns);
        }
        y[i] = kg_arena_take(t->arena, TOKENS * ROWS * sizeof(float));
        ops.rows[type](y[i], ROWS, &matrix, 0, ROWS, acts, act, TOKENS);
    }
    if (memcmp(y[0], y[1], TOKENS * ROWS * sizeof(float)) != 0) {
        kg_test_fail(t, __LINE__, "slot %s of %s differs", slot->name, info->name);
    }
}

KG_TEST(quant, every_slot_gives_the_bits_of_plain_c)
{
    for (uint32_t i = 1; kg_quant_slots[i]; i++) {
        const struct kg_quant_slot *slot = kg_quant_slots[i];
        if ((t->cpu->features & slot->needs) != slot->needs) {
            kg_test_not_run(t, slot->name);
            continue;
        }
        for (uint32_t type = 0; type < KG_N_TYPES && !t->failed; type++) {
            size_t used = t->arena->used;
            if (slot->rows[type]) {
                compare_slot(t, slot, type);
            }
            kg_arena_rewind(t->arena, used);
        }
    }
}
