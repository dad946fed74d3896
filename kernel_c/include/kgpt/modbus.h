/* Modbus/TCP for a server, as bytes: a request becomes an answer over tables of registers that the caller gives.
 * Nothing here knows a connection or a clock. (MODBUS Application Protocol 1.1b3, MODBUS Messaging on TCP/IP 1.0b) */
#ifndef KGPT_MODBUS_H
#define KGPT_MODBUS_H

#include <stddef.h>
#include <stdint.h>

#define KG_MODBUS_FRAME 260u /* bytes of the longest frame */
#define KG_MODBUS_READ 125u  /* registers in one read, and no more in one write */
#define KG_MODBUS_BITS 64u   /* the largest size of a table of bits */
#define KG_MODBUS_OBJECTS 7u

enum kg_modbus_table { KG_MODBUS_COILS, KG_MODBUS_DISCRETE, KG_MODBUS_INPUT, KG_MODBUS_HOLDING, KG_MODBUS_TABLES };

enum kg_modbus_exception {
    KG_MODBUS_OK,
    KG_MODBUS_FUNCTION, /* the function is not known */
    KG_MODBUS_ADDRESS,  /* no such address */
    KG_MODBUS_VALUE,    /* a value or a length is not allowed */
    KG_MODBUS_FAILURE,
    KG_MODBUS_BUSY = 6, /* not now */
};

/* The caller's tables. Both functions get `n` values from address `first` on, which lie within sizes[table]; a bit is 0
 * or 1. `write` stores all values or none: then it returns why. It is called for coils and holding registers only. */
struct kg_modbus_map {
    void *context;
    uint16_t sizes[KG_MODBUS_TABLES];
    enum kg_modbus_exception (*read)(void *context, enum kg_modbus_table table, uint16_t first, uint16_t n,
                                     uint16_t *values);
    enum kg_modbus_exception (*write)(void *context, enum kg_modbus_table table, uint16_t first, uint16_t n,
                                      const uint16_t *values);
    /* Device identification: vendor, product code, revision, URL, product, model, application. NULL: none; the first
     * three must be there. */
    const char *objects[KG_MODBUS_OBJECTS];
};

/* Bytes of the frame that begins here; 0: not known yet. KG_MODBUS_BROKEN: this is no Modbus, and where the next frame
 * begins is not known. */
#define KG_MODBUS_BROKEN SIZE_MAX
size_t kg_modbus_frame(const uint8_t *bytes, size_t n);

/* Answers a whole frame of `n` bytes. Returns the bytes of `answer`. */
size_t kg_modbus_answer(const struct kg_modbus_map *map, const uint8_t *frame, size_t n,
                        uint8_t answer[KG_MODBUS_FRAME]);

#endif
