/* USB keyboards by the boot protocol (HID 1.11, appendix B): reports of keys become scan codes of set 1, which the
 * decoder of all keyboards reads. */
#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "platform/drivers/keymap.h"
#include "usb.h"

#define FIRST_KEY 2 /* of a report: 6 keys after modifiers and a reserved byte */
#define ROLLOVER 1  /* in all slots: more keys are held than the keyboard can tell */
#define BOOT_REPORT 8u
#define EXTENDED 0x80
#define KEY_PAUSE 0x48
#define KEY_BREAK 0x46 /* extended: Ctrl with Pause */
#define USB_CTRLS 0x11
#define CAPS_LOCK 0x39
#define DELAY_MS 400u
#define REPEAT_MS 33u
#define SET_REPORT 0x0921u
#define OUTPUT_REPORT 0x0200u

/* Make codes by usage of the keyboard page; EXTENDED: after the prefix E0. */
static const uint8_t codes[] = {
    0,    0,    0,    0,    0x1E, 0x30, 0x2E, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32,
    0x31, 0x18, 0x19, 0x10, 0x13, 0x1F, 0x14, 0x16, 0x2F, 0x11, 0x2D, 0x15, 0x2C, 0x02, 0x03, 0x04, 0x05,
    0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x1C, 0x01, 0x0E, 0x0F, 0x39, 0x0C, 0x0D, 0x1A, 0x1B, 0x2B, 0x2B,
    0x27, 0x28, 0x29, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x40, 0x41, 0x42, 0x43, 0x44,
    0x57, 0x58, 0xB7, 0x46, 0,    0xD2, 0xC7, 0xC9, 0xD3, 0xCF, 0xD1, 0xCD, 0xCB, 0xD0, 0xC8, 0x45, 0xB5,
    0x37, 0x4A, 0x4E, 0x9C, 0x4F, 0x50, 0x51, 0x4B, 0x4C, 0x4D, 0x47, 0x48, 0x49, 0x52, 0x53, 0x56, 0xDD,
};
static const uint8_t modifiers[8] = {0x1D, 0x2A, 0x38, 0xDB, 0x9D, 0x36, 0xB8, 0xDC};

static void keep_typed(struct kg_xhci *x, char byte)
{
    if ((uint16_t)(x->typed_in - x->typed_out) < KG_USB_TYPED) {
        x->typed[x->typed_in++ % KG_USB_TYPED] = (uint8_t)byte;
    }
}

static void feed_code(struct kg_usb *d, uint8_t code, bool pressed)
{
    char typed[KG_KEY_BYTES];
    size_t n = kg_keymap_feed(&d->keys.decoder, code, pressed, typed);
    for (size_t i = 0; i < n; i++) {
        keep_typed(d->host, typed[i]);
    }
    if (d->keys.decoder.restart) {
        d->keys.decoder.restart = 0;
        d->host->restart = true;
    }
}

static void feed_key(struct kg_usb *d, uint8_t usage, bool pressed)
{
    uint8_t code = usage < sizeof codes ? codes[usage] : 0;
    if (usage == KEY_PAUSE && (d->keys.report[0] & USB_CTRLS)) {
        code = KEY_BREAK | EXTENDED;
    }
    if (code) {
        feed_code(d, code, pressed);
    }
}

static bool has_key(const uint8_t *report, uint8_t usage)
{
    for (uint32_t i = FIRST_KEY; i < BOOT_REPORT; i++) {
        if (report[i] == usage) {
            return true;
        }
    }
    return false;
}

static bool is_lock(uint8_t usage)
{
    return usage == CAPS_LOCK || usage == 0x47 || usage == 0x53;
}

static void compare_modifiers(struct kg_usb *d, uint8_t new)
{
    uint8_t changed = d->keys.report[0] ^ new;
    for (int i = 0; i < 8; i++) {
        if (changed >> i & 1) {
            feed_code(d, modifiers[i], new >> i & 1);
        }
    }
    d->keys.report[0] = new;
}

static void compare_keys(struct kg_usb *d, const uint8_t *new)
{
    struct kg_usb_keys *keys = &d->keys;
    for (uint32_t i = FIRST_KEY; i < BOOT_REPORT; i++) {
        uint8_t usage = keys->report[i];
        if (usage && !has_key(new, usage)) {
            feed_key(d, usage, false);
            keys->repeated = usage == keys->repeated ? 0 : keys->repeated;
        }
    }
    for (uint32_t i = FIRST_KEY; i < BOOT_REPORT; i++) {
        uint8_t usage = new[i];
        if (usage && !has_key(keys->report, usage)) {
            feed_key(d, usage, true);
            keys->repeated = is_lock(usage) ? 0 : usage;
            keys->next = plat_ticks() + kg_usb_ticks(DELAY_MS);
        }
    }
    memcpy(keys->report + FIRST_KEY, new + FIRST_KEY, BOOT_REPORT - FIRST_KEY);
}

void kg_usb_key_report(struct kg_usb *d, const uint8_t *report, uint32_t n)
{
    uint8_t new[BOOT_REPORT] = {0};
    if (n < FIRST_KEY + 1) {
        return;
    }
    memcpy(new, report, n < BOOT_REPORT ? n : BOOT_REPORT);
    compare_modifiers(d, new[0]);
    if (new[FIRST_KEY] != ROLLOVER) {
        compare_keys(d, new);
    }
}

/* Keyboards do not repeat keys in the boot protocol. A kernel that computes polls seldom: then fewer are repeated. */
void kg_usb_repeat_keys(struct kg_usb *d)
{
    if (d->keys.repeated && plat_ticks() >= d->keys.next) {
        d->keys.next = plat_ticks() + kg_usb_ticks(REPEAT_MS);
        feed_key(d, d->keys.repeated, true);
    }
}

void kg_usb_release_keys(struct kg_usb *d)
{
    static const uint8_t nothing[BOOT_REPORT];
    compare_modifiers(d, 0);
    compare_keys(d, nothing);
}

/* The job of a keyboard's lights: Num Lock, Caps Lock, Scroll Lock are bits 0 to 2. */
enum kg_usb_step kg_usb_lights(struct kg_xhci *x)
{
    struct kg_usb *d = x->target;
    uint8_t locks = d->keys.decoder.locks;
    if (x->step++ || d->dying) {
        return KG_USB_DONE;
    }
    d->keys.lights = locks;
    *kg_usb_buffer(d) =
        (uint8_t)((locks & KG_LOCK_NUM ? 1 : 0) | (locks & KG_LOCK_CAPS ? 2 : 0) | (locks & KG_LOCK_SCROLL ? 4 : 0));
    kg_usb_control(d, SET_REPORT, OUTPUT_REPORT, d->function.interface, 1);
    return KG_USB_AGAIN;
}
