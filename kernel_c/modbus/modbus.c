/* Requests of Modbus/TCP and their answers: see kgpt/modbus.h. A frame is the MBAP header (transaction, protocol 0,
 * length, unit) and a PDU (function, data). */
#include "kgpt/modbus.h"

#include <stdbool.h>

#include "kgpt/mem.h"

#define HEADER 7u
#define PDU (KG_MODBUS_FRAME - HEADER)
#define MOST_BITS_READ 2000u
#define MOST_BITS_WRITTEN 1968u
#define MOST_WRITTEN 123u
#define MOST_WRITTEN_AND_READ 121u
#define IDENTIFICATION 0x0E
#define REGULAR 0x82 /* conformity: objects 0 to 6, by stream and one by one */

/* A PDU that is answered: `n` bytes of data behind the function, and an answer of `made` bytes behind it. */
struct exchange {
    const struct kg_modbus_map *map;
    const uint8_t *data;
    size_t n;
    uint8_t *answer;
    size_t made;
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

size_t kg_modbus_frame(const uint8_t *bytes, size_t n)
{
    if (n < 6) {
        return 0;
    }
    uint32_t length = get16(bytes + 4); /* the unit and the PDU, which has a function */
    bool good = get16(bytes + 2) == 0 && length >= 2 && length <= PDU + 1;
    return good ? 6 + length : KG_MODBUS_BROKEN;
}

static bool is_bits(enum kg_modbus_table table)
{
    return table == KG_MODBUS_COILS || table == KG_MODBUS_DISCRETE;
}

static bool is_within(const struct kg_modbus_map *map, enum kg_modbus_table table, uint32_t first, uint32_t n)
{
    uint32_t size = map->sizes[table];
    if (is_bits(table) && size > KG_MODBUS_BITS) {
        size = KG_MODBUS_BITS;
    }
    return first + n <= size;
}

/* Appends the byte count and the values. */
static enum kg_modbus_exception append_values(struct exchange *x, enum kg_modbus_table table, uint16_t first,
                                              uint16_t n)
{
    uint16_t values[KG_MODBUS_READ];
    if (!is_within(x->map, table, first, n)) {
        return KG_MODBUS_ADDRESS;
    }
    enum kg_modbus_exception problem = x->map->read(x->map->context, table, first, n, values);
    if (problem) {
        return problem;
    }
    size_t size = is_bits(table) ? (n + 7u) / 8 : 2u * n;
    uint8_t *to = x->answer + x->made;
    memset(to, 0, 1 + size);
    to[0] = (uint8_t)size;
    for (uint32_t i = 0; i < n; i++) {
        if (is_bits(table)) {
            to[1 + i / 8] = (uint8_t)(to[1 + i / 8] | (values[i] & 1u) << i % 8);
        } else {
            put16(to + 1 + 2 * i, values[i]);
        }
    }
    x->made += 1 + size;
    return KG_MODBUS_OK;
}

/* Functions 1 to 4. */
static enum kg_modbus_exception read_table(struct exchange *x, enum kg_modbus_table table)
{
    uint32_t most = is_bits(table) ? MOST_BITS_READ : KG_MODBUS_READ;
    if (x->n != 4) {
        return KG_MODBUS_VALUE;
    }
    uint16_t n = get16(x->data + 2);
    return n && n <= most ? append_values(x, table, get16(x->data), n) : KG_MODBUS_VALUE;
}

/* Values that a request brings from `bytes` on. */
static enum kg_modbus_exception write_table(const struct exchange *x, enum kg_modbus_table table, uint16_t first,
                                            uint16_t n, const uint8_t *bytes)
{
    uint16_t values[KG_MODBUS_READ];
    if (!is_within(x->map, table, first, n)) {
        return KG_MODBUS_ADDRESS;
    }
    for (uint32_t i = 0; i < n; i++) {
        values[i] = is_bits(table) ? bytes[i / 8] >> i % 8 & 1 : get16(bytes + 2 * i);
    }
    return x->map->write(x->map->context, table, first, n, values);
}

/* Address and value, or address and number: these four bytes of the request are the answer. */
static enum kg_modbus_exception echo_written(struct exchange *x, enum kg_modbus_exception problem)
{
    if (!problem) {
        memcpy(x->answer, x->data, 4);
        x->made = 4;
    }
    return problem;
}

/* Function 5: a coil is FF00 or 0000. */
static enum kg_modbus_exception write_coil(struct exchange *x)
{
    if (x->n != 4 || x->data[3] || (x->data[2] && x->data[2] != 0xFF)) {
        return KG_MODBUS_VALUE;
    }
    const uint8_t bit = x->data[2] & 1;
    return echo_written(x, write_table(x, KG_MODBUS_COILS, get16(x->data), 1, &bit));
}

/* Function 6. */
static enum kg_modbus_exception write_register(struct exchange *x)
{
    return x->n != 4 ? KG_MODBUS_VALUE
                     : echo_written(x, write_table(x, KG_MODBUS_HOLDING, get16(x->data), 1, x->data + 2));
}

/* Functions 15 and 16. */
static enum kg_modbus_exception write_values(struct exchange *x, enum kg_modbus_table table, uint32_t most)
{
    if (x->n < 5) {
        return KG_MODBUS_VALUE;
    }
    uint16_t n = get16(x->data + 2);
    size_t size = is_bits(table) ? (n + 7u) / 8 : 2u * n;
    if (!n || n > most || x->data[4] != size || x->n != 5 + size) {
        return KG_MODBUS_VALUE;
    }
    return echo_written(x, write_table(x, table, get16(x->data), n, x->data + 5));
}

/* Function 23: writes, then reads. A read that is refused writes nothing. */
static enum kg_modbus_exception write_and_read(struct exchange *x)
{
    if (x->n < 9) {
        return KG_MODBUS_VALUE;
    }
    uint16_t first = get16(x->data), n = get16(x->data + 2), written = get16(x->data + 6);
    bool good = n && n <= KG_MODBUS_READ && written && written <= MOST_WRITTEN_AND_READ && x->data[8] == 2 * written &&
                x->n == 9 + 2u * written;
    if (!good) {
        return KG_MODBUS_VALUE;
    }
    if (!is_within(x->map, KG_MODBUS_HOLDING, first, n)) {
        return KG_MODBUS_ADDRESS;
    }
    enum kg_modbus_exception problem = write_table(x, KG_MODBUS_HOLDING, get16(x->data + 4), written, x->data + 9);
    return problem ? problem : append_values(x, KG_MODBUS_HOLDING, first, n);
}

/* Appends object `id`. False: it does not fit the answer. */
static bool append_object(struct exchange *x, uint32_t id)
{
    const char *text = x->map->objects[id];
    size_t n = 0, room = PDU - 1 - x->made;
    while (text[n] && n < UINT8_MAX) {
        n++;
    }
    n = x->answer[5] == 0 && n + 2 > room ? room - 2 : n; /* one too long for any answer is cut */
    if (n + 2 > room) {
        return false;
    }
    x->answer[x->made++] = (uint8_t)id;
    x->answer[x->made++] = (uint8_t)n;
    memcpy(x->answer + x->made, text, n);
    x->made += n;
    x->answer[5]++;
    return true;
}

/* Function 43/14. Codes 1 to 3 give the objects of a category from one on, in several answers if need be; 4 gives one
 * object. */
static enum kg_modbus_exception identify(struct exchange *x)
{
    if (x->n < 1 || x->data[0] != IDENTIFICATION) {
        return KG_MODBUS_FUNCTION;
    }
    if (x->n != 3 || x->data[1] < 1 || x->data[1] > 4) {
        return KG_MODBUS_VALUE;
    }
    uint32_t code = x->data[1], id = x->data[2], end = code == 1 ? 3 : KG_MODBUS_OBJECTS;
    bool known = id < end && x->map->objects[id];
    if (code == 4 && !known) {
        return KG_MODBUS_ADDRESS;
    }
    id = known ? id : 0;
    end = code == 4 ? id + 1 : end;
    /* kind, code, conformity, more follows, next object, number of objects */
    const uint8_t head[] = {IDENTIFICATION, (uint8_t)code, REGULAR, 0, 0, 0};
    memcpy(x->answer, head, sizeof head);
    x->made = sizeof head;
    for (; id < end; id++) {
        if (x->map->objects[id] && !append_object(x, id)) {
            x->answer[3] = 0xFF;
            x->answer[4] = (uint8_t)id;
            break;
        }
    }
    return KG_MODBUS_OK;
}

static enum kg_modbus_exception call_function(struct exchange *x, uint8_t function)
{
    switch (function) {
    case 1: return read_table(x, KG_MODBUS_COILS);
    case 2: return read_table(x, KG_MODBUS_DISCRETE);
    case 3: return read_table(x, KG_MODBUS_HOLDING);
    case 4: return read_table(x, KG_MODBUS_INPUT);
    case 5: return write_coil(x);
    case 6: return write_register(x);
    case 15: return write_values(x, KG_MODBUS_COILS, MOST_BITS_WRITTEN);
    case 16: return write_values(x, KG_MODBUS_HOLDING, MOST_WRITTEN);
    case 23: return write_and_read(x);
    case 43: return identify(x);
    default: return KG_MODBUS_FUNCTION;
    }
}

size_t kg_modbus_answer(const struct kg_modbus_map *map, const uint8_t *frame, size_t n,
                        uint8_t answer[KG_MODBUS_FRAME])
{
    struct exchange x = {.map = map, .data = frame + HEADER + 1, .n = n - HEADER - 1, .answer = answer + HEADER + 1};
    memcpy(answer, frame, HEADER + 1);
    enum kg_modbus_exception problem = call_function(&x, frame[HEADER]);
    if (problem) {
        answer[HEADER] |= 0x80;
        x.answer[0] = (uint8_t)problem;
        x.made = 1;
    }
    put16(answer + 4, (uint32_t)x.made + 2);
    return HEADER + 1 + x.made;
}
