#include "i8042.h"

#include "kgpt/keyboard.h"
#include "kgpt/platform.h"
#include "platform/common/ring.h"
#include "platform/drivers/keymap.h"
#include "platform/x86_64/io.h"

enum { DATA = 0x60, STATUS = 0x64, COMMAND = 0x64 };
#define STATUS_OUTPUT_FULL 0x01
#define STATUS_INPUT_FULL 0x02
#define STATUS_FROM_MOUSE 0x20 /* older controllers: timeout of the transmission to the keyboard */
#define STATUS_TIMEOUT 0x40    /* no answer from the keyboard, or a timeout of the transmission */
#define NOTHING_THERE 0xFF

#define COMMAND_READ_CONFIG 0x20
#define COMMAND_WRITE_CONFIG 0x60
#define COMMAND_MOUSE_OFF 0xA7
#define COMMAND_KEYBOARD_OFF 0xAD
#define COMMAND_KEYBOARD_ON 0xAE
#define CONFIG_INTERRUPT 0x01
#define CONFIG_MOUSE_INTERRUPT 0x02
#define CONFIG_KEYBOARD_OFF 0x10
#define CONFIG_MOUSE_OFF 0x20
#define CONFIG_TRANSLATE 0x40

#define KEYBOARD_LEDS 0xED
#define KEYBOARD_SET 0xF0
#define KEYBOARD_SCAN 0xF4
#define ACKNOWLEDGED 0xFA
#define SEND_AGAIN 0xFE

/* Answers of a keyboard to the query for its scan code set. With translation, the answers are translated too. */
#define ANSWER_SET1 0x43
#define ANSWER_SET1_RAW 0x01
#define ANSWER_SET2_RAW 0x02
#define ANSWER_SET2 0x41

/* One iteration of a wait reads two ports, each about a microsecond; a keyboard must answer within 20 ms. */
#define UNUSED_PORT 0x80
#define MAX_SPINS 20000
#define MAX_FLUSHED 64 /* bytes: no buffer on the way is larger */
#define MAX_POLLED 16  /* bytes in one call: an endless stream is not a keyboard */
#define CODES_LOST 0xFF

static bool there;   /* a controller exists */
static bool present; /* a keyboard responds */
static struct kg_ring codes;
static struct kg_keyboard keyboard;
static uint8_t leds;      /* state of the LEDs */
static bool leds_awaited; /* the keyboard expects the LED byte */
static char typed[KG_KEY_BYTES];
static size_t typed_n, typed_at;

/* Waits until these bits of the status register have the given values. */
static bool wait_status(uint8_t mask, uint8_t wanted)
{
    for (unsigned spins = 0; spins < MAX_SPINS; spins++) {
        if ((kg_inb(STATUS) & mask) == wanted) {
            return true;
        }
        kg_inb(UNUSED_PORT);
    }
    return false;
}

static bool send_byte(uint16_t port, uint8_t byte)
{
    if (!wait_status(STATUS_INPUT_FULL, 0)) {
        return false;
    }
    kg_outb(port, byte);
    return true;
}

/* Returns -1 if nothing arrived, or if the status marks the byte as invalid by these bits. */
static int receive_byte(uint8_t does_not_count)
{
    if (!wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL)) {
        return -1;
    }
    uint8_t status = kg_inb(STATUS), byte = kg_inb(DATA);
    return status & does_not_count ? -1 : byte;
}

/* Controllers answer in place of an absent keyboard. */
static int receive_from_keyboard(void)
{
    return receive_byte(STATUS_FROM_MOUSE | STATUS_TIMEOUT);
}

/* Returns false if the stream does not end. */
static bool flush_controller(void)
{
    for (unsigned i = 0; i < MAX_FLUSHED; i++) {
        if (!(kg_inb(STATUS) & STATUS_OUTPUT_FULL)) {
            return true;
        }
        kg_inb(DATA);
    }
    return false;
}

/* Sends a byte to the keyboard; true if it acknowledges. Scan codes may arrive before the acknowledgement. */
static bool tell_keyboard(uint8_t byte)
{
    for (unsigned tries = 0; tries < 3; tries++) {
        if (!send_byte(DATA, byte)) {
            return false;
        }
        int answer = receive_from_keyboard();
        for (unsigned i = 0; i < MAX_POLLED && answer >= 0 && answer != ACKNOWLEDGED && answer != SEND_AGAIN; i++) {
            answer = receive_from_keyboard();
        }
        present = present || answer >= 0;
        if (answer != SEND_AGAIN) {
            return answer == ACKNOWLEDGED;
        }
    }
    return false;
}

/* Configures the controller for the keyboard alone, with interrupts only to end a sleep, with or without
 * translation. A controller that does not answer may still pass on scan codes. */
static void configure_controller(bool translate)
{
    int config = send_byte(COMMAND, COMMAND_READ_CONFIG) ? receive_byte(0) : -1;
    if (config < 0) {
        return;
    }
    config &= ~(CONFIG_MOUSE_INTERRUPT | CONFIG_KEYBOARD_OFF | CONFIG_TRANSLATE);
    config |= CONFIG_INTERRUPT | CONFIG_MOUSE_OFF | (translate ? CONFIG_TRANSLATE : 0);
    if (send_byte(COMMAND, COMMAND_WRITE_CONFIG)) {
        send_byte(DATA, (uint8_t)config);
    }
}

static int ask_set(void)
{
    return tell_keyboard(KEYBOARD_SET) && tell_keyboard(0) ? receive_from_keyboard() : -1;
}

/* Keyboards use set 2, and controllers translate it to set 1. Firmware leaves this configuration, and emulates it
 * for USB keyboards. The query finds the set that really arrives; without an answer the default holds. */
static void find_set(void)
{
    int answer = ask_set();
    if (answer >= 0 && answer != ANSWER_SET2 && answer != ANSWER_SET2_RAW && answer != ANSWER_SET1_RAW) {
        tell_keyboard(KEYBOARD_SET);
        tell_keyboard(2);
        answer = ask_set();
    }
    if (answer == ANSWER_SET1) { /* only this value: translation would garble others */
        configure_controller(false);
    }
    keyboard.set = answer == ANSWER_SET2_RAW ? 2 : 1;
}

void kg_i8042_init(void)
{
    if (kg_inb(STATUS) == NOTHING_THERE || !flush_controller()) {
        return;
    }
    if (!send_byte(COMMAND, COMMAND_KEYBOARD_OFF) || !send_byte(COMMAND, COMMAND_MOUSE_OFF) || !flush_controller()) {
        return;
    }
    there = true;
    keyboard.set = 1;
    configure_controller(true);
    send_byte(COMMAND, COMMAND_KEYBOARD_ON);
    if (tell_keyboard(KEYBOARD_LEDS)) {
        tell_keyboard(0);
    }
    if (present) {
        find_set();
        tell_keyboard(KEYBOARD_SCAN);
    }
}

bool kg_keyboard_present(void)
{
    return present;
}

/* Handles one byte from the keyboard. LEDs are set in two steps: the second follows the acknowledgement of the
 * first. */
static void take_scan_code(uint8_t byte)
{
    if (byte == ACKNOWLEDGED || byte == SEND_AGAIN) {
        if (byte == ACKNOWLEDGED && leds_awaited && send_byte(DATA, leds)) {
            leds_awaited = false;
        }
        return;
    }
    keyboard.layout = kg_keymap();
    typed_n = kg_keyboard_feed(&keyboard, byte, typed);
    typed_at = 0;
    present = true;
    if (keyboard.locks != leds) {
        leds = keyboard.locks;
        leds_awaited = send_byte(DATA, KEYBOARD_LEDS);
    }
}

/* If the ring is full, the last code becomes the keyboard's overrun code: scan codes are lost, and no key counts as
 * held. */
static void keep_code(uint8_t code)
{
    if (!kg_ring_is_full(&codes)) {
        kg_ring_put(&codes, code);
    } else {
        codes.bytes[(codes.in - 1) % KG_RING_SIZE] = CODES_LOST;
    }
}

void kg_i8042_keep(void)
{
    for (unsigned i = 0; i < MAX_POLLED && there; i++) {
        uint8_t status = kg_inb(STATUS);
        if (status == NOTHING_THERE || !(status & STATUS_OUTPUT_FULL)) {
            return;
        }
        uint8_t byte = kg_inb(DATA);
        if (!(status & STATUS_FROM_MOUSE)) {
            keep_code(byte);
        }
    }
}

static int next_code(void)
{
    uint64_t flags = kg_interrupts_save();
    kg_i8042_keep();
    kg_interrupts_restore(flags);
    return kg_ring_take(&codes);
}

int kg_keyboard_read(void)
{
    int code;
    for (unsigned i = 0; i < MAX_POLLED && typed_at == typed_n && (code = next_code()) >= 0; i++) {
        take_scan_code((uint8_t)code);
    }
    if (keyboard.restart) {
        keyboard.restart = 0;
        return KG_READ_RESTART;
    }
    if (typed_at < typed_n) {
        return (uint8_t)typed[typed_at++];
    }
    return present ? KG_READ_NONE : KG_READ_END;
}
