/* The tables of Modbus: see modbus.h and modbus.def. */
#include "modbus.h"

#include "app/events/events.h"

#include "kgpt/mem.h"

#define TEN_THOUSAND 10000.0f

static uint16_t high_word(uint64_t value)
{
    return (uint16_t)((value > UINT32_MAX ? UINT32_MAX : value) >> 16);
}

static uint16_t low_word(uint64_t value)
{
    return (uint16_t)(value > UINT32_MAX ? UINT32_MAX : value);
}

static bool is_busy(const struct kg_modbus *modbus)
{
    return modbus->client.job != NULL;
}

/* Register `i` of those that hold `n` bytes. */
static uint16_t word_of_bytes(const uint8_t *bytes, size_t n, uint32_t i)
{
    uint32_t high = 2 * i < n ? bytes[2 * i] : 0, low = 2 * i + 1 < n ? bytes[2 * i + 1] : 0;
    return (uint16_t)(high << 8 | low);
}

static uint16_t model_word(const struct kg_modbus *modbus, uint32_t i)
{
    const struct kg_lm *lm = modbus->server->k->lm;
    const uint8_t *sha256 = lm->sources[lm->current].sha256;
    return sha256 ? word_of_bytes(sha256, 32, i) : 0;
}

static uint16_t input_register(const struct kg_modbus *modbus, uint32_t address)
{
    bool done = kg_modbus_status(modbus) == KG_MODBUS_DONE;
    switch (address) {
    case KG_INPUT_STATUS: return (uint16_t)kg_modbus_status(modbus);
    case KG_INPUT_ERROR: return (uint16_t)modbus->error;
    case KG_INPUT_HEARTBEAT: return (uint16_t)(kg_server_ms(modbus->server, modbus->server->started) / 1000);
    case KG_INPUT_CLASS: return (uint16_t)modbus->class;
    case KG_INPUT_SCORE: return done ? (uint16_t)(modbus->probability * TEN_THOUSAND + 0.5f) : 0;
    case KG_INPUT_LATENCY: return high_word(modbus->ms);
    case KG_INPUT_LATENCY + 1: return low_word(modbus->ms);
    case KG_INPUT_REQUESTS: return high_word(modbus->requests);
    case KG_INPUT_REQUESTS + 1: return low_word(modbus->requests);
    case KG_INPUT_FAILURES: return high_word(modbus->failures);
    case KG_INPUT_FAILURES + 1: return low_word(modbus->failures);
    case KG_INPUT_SAMPLED: return (uint16_t)modbus->sampled;
    case KG_INPUT_LABELS: return (uint16_t)modbus->sets[modbus->holding[KG_HOLDING_SET]].n;
    default: break;
    }
    return address < KG_INPUT_MODEL_END
               ? model_word(modbus, address - KG_INPUT_MODEL)
               : word_of_bytes((const uint8_t *)kgpt_version, kg_strlen(kgpt_version), address - KG_INPUT_VERSION);
}

static uint16_t discrete_input(const struct kg_modbus *modbus, uint32_t address)
{
    switch (address) {
    case KG_DISCRETE_BUSY: return is_busy(modbus);
    case KG_DISCRETE_DONE: return kg_modbus_status(modbus) == KG_MODBUS_DONE;
    default: return kg_modbus_status(modbus) == KG_MODBUS_FAILED;
    }
}

static enum kg_modbus_exception read_modbus_map(void *context, enum kg_modbus_table table, uint16_t first, uint16_t n,
                                                uint16_t *values)
{
    struct kg_modbus *modbus = context;
    kg_modbus_take_answer(modbus);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t address = first + i;
        bool start = table == KG_MODBUS_COILS || address == KG_HOLDING_START;
        values[i] = table == KG_MODBUS_INPUT      ? input_register(modbus, address)
                    : table == KG_MODBUS_DISCRETE ? discrete_input(modbus, address)
                    : start                       ? is_busy(modbus)
                                                  : modbus->holding[address];
    }
    return KG_MODBUS_OK;
}

static bool value_is_allowed(const struct kg_modbus *modbus, uint32_t address, uint16_t value)
{
    switch (address) {
    case KG_HOLDING_START: return value <= 1;
    case KG_HOLDING_TOKENS: return value >= 1 && value <= KG_MODBUS_TOKENS;
    case KG_HOLDING_SET: return value < modbus->n_sets;
    case KG_HOLDING_LENGTH: return value <= 2 * KG_HOLDING_TEXT_N;
    default: return true;
    }
}

/* The one coil is the register START. */
static enum kg_modbus_exception write_modbus_map(void *context, enum kg_modbus_table table, uint16_t first, uint16_t n,
                                                 const uint16_t *values)
{
    struct kg_modbus *modbus = context;
    (void)table;
    kg_modbus_take_answer(modbus);
    for (uint32_t i = 0; i < n; i++) {
        if (!value_is_allowed(modbus, first + i, values[i])) {
            return KG_MODBUS_VALUE;
        }
    }
    bool starts = first == KG_HOLDING_START && values[0], cancels = first == KG_HOLDING_START && !values[0];
    if (starts && is_busy(modbus)) {
        return KG_MODBUS_BUSY;
    }
    memcpy(modbus->holding + first, values, n * sizeof *values);
    if (starts) {
        kg_modbus_begin(modbus);
    } else if (cancels) {
        kg_modbus_cancel(modbus);
    }
    return KG_MODBUS_OK;
}

void kg_modbus_make_map(struct kg_modbus *modbus)
{
    modbus->map = (struct kg_modbus_map){
        .context = modbus,
        .sizes = {KG_COILS_START_END, KG_DISCRETE_FAILED_END, KG_INPUT_VERSION_END, KG_HOLDING_TEXT_END},
        .read = read_modbus_map,
        .write = write_modbus_map,
        .objects = {"kgpt", "kgpt", kgpt_version, NULL, "kgpt", modbus->server->name, NULL}};
}
