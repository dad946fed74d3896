/* Virtio input device (Virtio 1.1, 5.8), as a keyboard: events with Linux's key codes become scan codes of set 1, which
 * the decoder of all keyboards reads. Other input devices, such as mice, are not used. Its lights stay off: nobody sees
 * them on a virtual machine. */
#include "kgpt/format.h"
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "platform/drivers/keymap.h"
#include "virtio.h"

#define INPUT_EVENTS 32u /* buffers for events that come between two polls */
#define INPUT_TYPED 256u /* bytes that nobody has read yet; further ones are lost */
#define EVENT_KEY 1u
#define EVENT_RELEASED 0u /* 1: pressed, 2: repeated */

#define INPUT_CONFIG_SELECT 0u
#define INPUT_CONFIG_SUBSELECT 1u
#define INPUT_CONFIG_SIZE 2u /* of the bytes that the two before have selected */
#define INPUT_CONFIG_DATA 8u
#define INPUT_CONFIG_BYTES 136u
#define SELECT_EVENT_BITS 0x11u

#define CODE_ENTER 28u
#define CODE_A 30u
#define CODE_SPACE 57u

struct input_event {
    uint16_t type, code;
    uint32_t value;
};

struct input {
    struct kg_virtio virtio;
    struct kg_virtqueue queue;
    struct kg_unit unit;
    struct kg_keyboard decoder;
    struct input_event *events;  /* DMA buffers, of INPUT_EVENTS events */
    uint8_t slots[INPUT_EVENTS]; /* the event of each chain */
    uint8_t typed[INPUT_TYPED];
    uint16_t typed_in, typed_out;
    bool restart;
};

/* Linux's codes 1 to 83 and 86 to 88 are the make codes themselves. */
static uint8_t make_code_of(uint32_t key)
{
    static const uint8_t from_96[] = {0x9C, 0x9D, 0xB5, 0xB7, 0xB8, 0,    0xC7, 0xC8,
                                      0xC9, 0xCB, 0xCD, 0xCF, 0xD0, 0xD1, 0xD2, 0xD3};
    if (key >= 96 && key < 96 + sizeof from_96) {
        return from_96[key - 96];
    }
    return key <= 83 || (key >= 86 && key <= 88) ? (uint8_t)key : 0;
}

static void take_input_event(struct input *input, const struct input_event *event)
{
    char typed[KG_KEY_BYTES];
    uint8_t code = event->type == EVENT_KEY ? make_code_of(event->code) : 0;
    size_t n = code ? kg_keymap_feed(&input->decoder, code, event->value != EVENT_RELEASED, typed) : 0;
    for (size_t i = 0; i < n && (uint16_t)(input->typed_in - input->typed_out) < INPUT_TYPED; i++) {
        input->typed[input->typed_in++ % INPUT_TYPED] = (uint8_t)typed[i];
    }
    input->restart |= input->decoder.restart != 0;
    input->decoder.restart = 0;
}

static void give_event(struct input *input, uint8_t slot)
{
    const struct kg_virtio_buffer buffer = {&input->events[slot], sizeof(struct input_event)};
    int chain = kg_virtqueue_add(&input->queue, &buffer, 0, 1);
    if (chain >= 0) {
        input->slots[chain] = slot;
    }
}

static void poll_input(struct kg_device *device)
{
    struct input *input = device->state;
    uint32_t written, taken = 0;
    int chain = KG_VIRTQUEUE_NONE;
    while (taken < INPUT_EVENTS && (chain = kg_virtqueue_take(&input->queue, &written)) >= 0) {
        uint8_t slot = input->slots[chain];
        struct input_event event = input->events[slot]; /* a copy: the device may write at any time */
        if (written == sizeof event) {
            take_input_event(input, &event);
        }
        give_event(input, slot);
        taken++;
    }
    if (taken) {
        kg_virtqueue_notify(&input->queue);
    }
    if (chain == KG_VIRTQUEUE_BROKEN) {
        kg_device_fail(device, "its virtqueue is inconsistent");
    }
}

static int read_input(struct kg_unit *unit)
{
    struct input *input = unit->device->state;
    if (input->restart) {
        input->restart = false;
        return KG_READ_RESTART;
    }
    return input->typed_in != input->typed_out ? input->typed[input->typed_out++ % INPUT_TYPED] : KG_READ_NONE;
}

static bool name_input(const struct kg_unit *unit, uint32_t i, char *text, size_t size)
{
    (void)unit;
    kg_format(text, size, "virtio");
    return i == 0;
}

static bool input_has_key(const volatile uint8_t *config, uint32_t key)
{
    return key / 8 < kg_mmio_read8(config + INPUT_CONFIG_SIZE) && key / 8 < INPUT_CONFIG_BYTES - INPUT_CONFIG_DATA &&
           kg_mmio_read8(config + INPUT_CONFIG_DATA + key / 8) >> key % 8 & 1;
}

static bool is_keyboard(const struct kg_virtio *virtio)
{
    volatile uint8_t *config = virtio->config;
    if (!config || virtio->config_size < INPUT_CONFIG_BYTES) {
        return false;
    }
    kg_mmio_write8(config + INPUT_CONFIG_SELECT, SELECT_EVENT_BITS);
    kg_mmio_write8(config + INPUT_CONFIG_SUBSELECT, EVENT_KEY);
    return input_has_key(config, CODE_A) && input_has_key(config, CODE_ENTER) && input_has_key(config, CODE_SPACE);
}

static const char *start_input(struct kg_device *device)
{
    struct input *input = device->state;
    uint64_t features = 0, began = plat_ticks();
    const char *problem = kg_virtio_start(&input->virtio, device, &features);
    if (!problem && !is_keyboard(&input->virtio)) {
        problem = "it is no keyboard";
    }
    problem = problem ? problem : kg_virtqueue_init(&input->queue, &input->virtio, 0, INPUT_EVENTS);
    if (problem) {
        return problem;
    }
    input->events = plat_dma(INPUT_EVENTS * sizeof *input->events, sizeof *input->events, UINT64_MAX);
    if (!input->events) {
        return "no memory is left for its events";
    }
    input->decoder.set = 1;
    kg_virtio_run(&input->virtio);
    for (uint8_t slot = 0; slot < input->queue.size; slot++) {
        give_event(input, slot);
    }
    kg_virtqueue_notify(&input->queue);
    input->unit.input.read = read_input;
    input->unit.input.name = name_input;
    kg_unit_add(&input->unit, KG_UNIT_INPUT, device);
    input->unit.input.changes = 1;
    input->unit.input.found = plat_ticks() - began + 1;
    return NULL;
}

extern const struct kg_driver kg_virtio_input;
const struct kg_driver kg_virtio_input = {
    .name = "virtio-input",
    .state_size = sizeof(struct input),
    .start = start_input,
    .poll = poll_input,
    .stop = kg_virtio_stop,
};
