/* modbus=on: a device on Modbus/TCP beside the API. A controller writes a text and starts; the answer is one of the
 * labels of the command line, by a job like those of HTTP clients. The registers: modbus.def. */
#ifndef KGPT_APP_MODBUS_H
#define KGPT_APP_MODBUS_H

#include "app/server/server.h"

#include "kgpt/modbus.h"

#define KG_MODBUS_SETS 4u
#define KG_MODBUS_LABELS 32u      /* in a set */
#define KG_MODBUS_LABEL_BYTES 63u /* of a label */
#define KG_MODBUS_TOKENS 64u      /* the largest token budget */
#define KG_MODBUS_NO_CLASS 0xFFFFu

#define KG_REGISTERS(table, name, first, n, meaning) \
    KG_##table##_##name = first, KG_##table##_##name##_N = n, KG_##table##_##name##_END = first + n,
enum {
#include "modbus.def"
};

enum kg_modbus_status {
    KG_MODBUS_IDLE,
    KG_MODBUS_QUEUED,
    KG_MODBUS_RUNNING,
    KG_MODBUS_DONE,
    KG_MODBUS_FAILED,
};
enum kg_modbus_error {
    KG_MODBUS_NO_ERROR,
    KG_MODBUS_BAD_TEXT,
    KG_MODBUS_QUEUE_FULL,
    KG_MODBUS_BUDGET,
    KG_MODBUS_REPLY,
    KG_MODBUS_CANCELLED,
};

struct kg_label_set {
    struct kg_text labels[KG_MODBUS_LABELS];
    uint32_t n;
    struct kg_grammar grammar; /* one of them, and nothing else */
};

/* A connection of a controller. */
struct kg_modbus_master {
    bool open;
    uint32_t connection;
    uint8_t in[KG_MODBUS_FRAME], out[KG_MODBUS_FRAME];
    size_t n_in, n_out, sent;
    uint64_t moved; /* plat_ticks() when bytes last came or went */
};

struct kg_modbus {
    struct kg_server *server;
    const struct kg_connections *connections;
    uint32_t n_sets;
    enum kg_modbus_status status; /* while there is no job */
    enum kg_modbus_error error;
    uint32_t asked_set;    /* of the last start */
    uint32_t class;        /* KG_MODBUS_NO_CLASS: none */
    float probability;     /* of the class, or of its beginning */
    uint64_t asked_at, ms; /* plat_ticks() of the last start; how long it took */
    uint32_t requests, failures, sampled;

    /* Large members last: the code that reaches the others is shorter. */
    struct kg_modbus_map map;
    struct kg_modbus_master masters[KG_MODBUS_MASTERS];
    struct kg_label_set sets[KG_MODBUS_SETS];
    struct kg_arena memory;  /* (KG_SERVER_GRAMMAR): of their grammars */
    struct kg_client client; /* inner: it asks for the reply */
    uint16_t holding[KG_HOLDING_TEXT_END];
};

/* modbus_labels.c: reads labels=ok,warn,alarm/yes,no into the sets. */
enum kg_status kg_modbus_read_labels(struct kg_modbus *modbus, struct kg_error *error);

/* modbus_job.c */
void kg_modbus_begin(struct kg_modbus *modbus);       /* a reply to the text in the registers; none may run */
void kg_modbus_cancel(struct kg_modbus *modbus);      /* ends the reply, if there is one */
void kg_modbus_take_answer(struct kg_modbus *modbus); /* if the reply has ended */
enum kg_modbus_status kg_modbus_status(const struct kg_modbus *modbus);
extern const struct kg_inner kg_modbus_inner;

/* modbus_map.c: the tables; their context is the struct kg_modbus. */
void kg_modbus_make_map(struct kg_modbus *modbus);

#endif
