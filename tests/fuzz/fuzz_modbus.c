/* Fuzzes requests of Modbus/TCP: as many frames as the bytes hold. An answer is a frame of the same transaction and
 * unit, and the caller's tables are asked within their sizes only. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/modbus.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t sizes[KG_MODBUS_TABLES] = {3, 64, 125, 300};

struct tables {
    uint16_t holding[300];
    uint8_t refusal; /* what writes are refused with */
};

UNWATCHED static void check_place(enum kg_modbus_table table, uint16_t first, uint16_t n)
{
    promise(table < KG_MODBUS_TABLES && n > 0 && n <= KG_MODBUS_READ && first + n <= sizes[table]);
}

UNWATCHED static enum kg_modbus_exception read_fuzzed(void *context, enum kg_modbus_table table, uint16_t first,
                                                      uint16_t n, uint16_t *values)
{
    const struct tables *tables = context;
    check_place(table, first, n);
    for (uint32_t i = 0; i < n; i++) {
        values[i] = table == KG_MODBUS_HOLDING ? tables->holding[first + i] : (uint16_t)((first + i) & 1);
    }
    return KG_MODBUS_OK;
}

UNWATCHED static enum kg_modbus_exception write_fuzzed(void *context, enum kg_modbus_table table, uint16_t first,
                                                       uint16_t n, const uint16_t *values)
{
    struct tables *tables = context;
    check_place(table, first, n);
    promise(table == KG_MODBUS_COILS || table == KG_MODBUS_HOLDING);
    for (uint32_t i = 0; i < n; i++) {
        promise(table == KG_MODBUS_HOLDING || values[i] <= 1);
        if (table == KG_MODBUS_HOLDING && !tables->refusal) {
            tables->holding[first + i] = values[i];
        }
    }
    return tables->refusal ? KG_MODBUS_BUSY : KG_MODBUS_OK;
}

UNWATCHED static void try_frame(const struct kg_modbus_map *map, const uint8_t *frame, size_t n)
{
    uint8_t answer[KG_MODBUS_FRAME];
    uint8_t *copy = malloc(n);
    promise(copy);
    memcpy(copy, frame, n);
    size_t made = kg_modbus_answer(map, copy, n, answer);
    promise(made >= 9 && made <= sizeof answer && kg_modbus_frame(answer, made) == made);
    promise(memcmp(answer, frame, 4) == 0 && answer[6] == frame[6]);
    bool refused = answer[7] != frame[7];
    promise(!refused || (answer[7] == (frame[7] | 0x80) && made == 9 && answer[8] >= 1 && answer[8] <= 6));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tables tables = {.refusal = size && data[0] & 1};
    char longest[256];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    bool is_long = size && data[0] & 2;
    const struct kg_modbus_map map = {
        .context = &tables,
        .sizes = {sizes[0], sizes[1], sizes[2], sizes[3]},
        .read = read_fuzzed,
        .write = write_fuzzed,
        .objects = {"vendor", is_long ? longest : "code", "1.0", NULL, is_long ? longest + 20 : "", "model", NULL}};
    for (size_t at = 1; at < size;) {
        size_t n = kg_modbus_frame(data + at, size - at);
        if (n == 0 || n == KG_MODBUS_BROKEN || n > size - at) {
            break;
        }
        promise(n >= 8 && n <= KG_MODBUS_FRAME);
        try_frame(&map, data + at, n);
        at += n;
    }
    return 0;
}
