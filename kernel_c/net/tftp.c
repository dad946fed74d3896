/* One file by TFTP: see kgpt/tftp.h. */
#include "kgpt/tftp.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "net/ip/bytes.h"

#define FIRST_MS 1000u
#define DOUBLED_MOST 3u /* times: then 8 s */
#define TRIES 7u        /* without a block in between: 39 s */

enum { READ_REQUEST = 1, DATA = 3, ACKNOWLEDGE = 4, ERROR = 5, OPTIONS = 6 };
enum { ERROR_NOT_FOUND = 1, ERROR_FULL = 3, ERROR_ILLEGAL = 4, ERROR_OPTION = 8 };

static void wait_anew(struct kg_tftp *t, uint64_t now)
{
    t->tries = 0;
    t->due = now + FIRST_MS;
}

static void put_word(struct kg_tftp *t, const char *word)
{
    size_t n = kg_strlen(word) + 1;
    memcpy(t->out + t->n_out, word, n);
    t->n_out += n;
}

static void put_option(struct kg_tftp *t, const char *name, uint32_t value)
{
    char digits[12];
    kg_format(digits, sizeof digits, "%u", value);
    put_word(t, name);
    put_word(t, digits);
}

bool kg_tftp_begin(struct kg_tftp *t, const char *file, uint64_t now)
{
    *t = (struct kg_tftp){.state = KG_TFTP_ASKED, .block = KG_TFTP_BLOCK, .window = KG_TFTP_WINDOW};
    if (kg_strlen(file) > KG_TFTP_FILE) {
        return false;
    }
    kg_put16(t->out, READ_REQUEST);
    t->n_out = 2;
    put_word(t, file);
    put_word(t, "octet");
    put_option(t, "blksize", KG_TFTP_BLOCK);
    put_option(t, "tsize", 0);
    put_option(t, "windowsize", KG_TFTP_WINDOW);
    t->sends = true;
    wait_anew(t, now);
    return true;
}

static void send_acknowledgement(struct kg_tftp *t)
{
    kg_put16(t->out, ACKNOWLEDGE);
    kg_put16(t->out + 2, (uint16_t)t->count);
    t->n_out = 4;
    t->sends = true;
    t->unacknowledged = 0;
}

/* Ends the transfer, and tells the server so. */
static void send_error(struct kg_tftp *t, uint32_t code, const char *why)
{
    kg_put16(t->out, ERROR);
    kg_put16(t->out + 2, (uint16_t)code);
    t->n_out = 4;
    put_word(t, why);
    t->sends = true;
}

static void fail_transfer(struct kg_tftp *t, uint32_t code, const char *why)
{
    kg_format(t->problem, sizeof t->problem, "%s", why);
    send_error(t, code, why);
    t->state = KG_TFTP_FAILED;
}

void kg_tftp_stop(struct kg_tftp *t)
{
    if (t->state == KG_TFTP_SIZED || t->state == KG_TFTP_COMES) {
        fail_transfer(t, ERROR_FULL, "stopped");
    }
}

void kg_tftp_take(struct kg_tftp *t, uint8_t *to, uint64_t now)
{
    t->to = to;
    t->state = KG_TFTP_COMES;
    send_acknowledgement(t);
    wait_anew(t, now);
}

/* The text up to its NUL, whose place is returned; `end`: there is none. */
static const uint8_t *next_word(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at) {
        at++;
    }
    return at;
}

/* `name` is in small letters. */
static bool is_option(const uint8_t *at, const char *name)
{
    size_t i = 0;
    while (name[i] && (at[i] | 32) == (uint8_t)name[i]) {
        i++;
    }
    return !name[i] && !at[i];
}

static bool read_option_value(const uint8_t *at, uint64_t *value)
{
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(*value, (uint64_t)10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value)) {
            return false;
        }
    }
    return !*at;
}

/* What the server grants. Returns why that is not possible, or NULL. */
static const char *read_options(struct kg_tftp *t, const uint8_t *at, const uint8_t *end)
{
    bool sized = false;
    t->block = 512;
    t->window = 1;
    while (at < end) {
        const uint8_t *stop = next_word(at, end), *value = stop < end ? stop + 1 : end, *last = next_word(value, end);
        uint64_t number;
        if (last == end || value == last || !read_option_value(value, &number)) {
            return "an option of the server is malformed";
        }
        if (is_option(at, "tsize")) {
            sized = true;
            t->size = number;
        } else if (is_option(at, "blksize") && number >= 8 && number <= KG_TFTP_BLOCK) {
            t->block = (uint32_t)number;
        } else if (is_option(at, "windowsize") && number >= 1 && number <= KG_TFTP_WINDOW) {
            t->window = (uint32_t)number;
        } else {
            return "the server grants an option that was not asked for";
        }
        at = last + 1;
    }
    return sized ? NULL : "the server does not tell the size (option tsize)";
}

static void input_options(struct kg_tftp *t, uint16_t port, const uint8_t *packet, size_t n)
{
    if (t->state == KG_TFTP_COMES && t->count == 0) {
        t->sends = true; /* our acknowledgement was lost */
    }
    if (t->state != KG_TFTP_ASKED) {
        return;
    }
    t->peer = port;
    const char *why = read_options(t, packet + 2, packet + n);
    if (why) {
        fail_transfer(t, ERROR_OPTION, why);
    } else {
        t->state = KG_TFTP_SIZED;
    }
}

/* The block that was due. */
static void take_block(struct kg_tftp *t, const uint8_t *data, size_t n, uint64_t now)
{
    if (n > t->block || n > t->size - t->done) {
        fail_transfer(t, ERROR_ILLEGAL, "the server sends more than it has told");
        return;
    }
    if (n < t->block && t->done + n < t->size) {
        fail_transfer(t, ERROR_ILLEGAL, "the server ends before the size that it has told");
        return;
    }
    memcpy(t->to + t->done, data, n);
    t->done += n;
    t->count++;
    t->unacknowledged++;
    t->told_gap = false;
    wait_anew(t, now);
    if (n < t->block) {
        t->state = KG_TFTP_WHOLE;
    }
    if (t->unacknowledged == t->window || t->state == KG_TFTP_WHOLE) {
        send_acknowledgement(t);
    }
}

static void input_data(struct kg_tftp *t, uint16_t port, const uint8_t *packet, size_t n, uint64_t now)
{
    uint16_t number = kg_get16(packet + 2), due = (uint16_t)(t->count + 1);
    if (t->state == KG_TFTP_ASKED) { /* the server knows no options */
        t->peer = port;
        fail_transfer(t, ERROR_OPTION, "the server does not tell the size (option tsize)");
    } else if (t->state == KG_TFTP_COMES && number == due) {
        take_block(t, packet + 4, n - 4, now);
    } else if ((t->state == KG_TFTP_COMES || t->state == KG_TFTP_WHOLE) && t->count && number == (uint16_t)t->count) {
        send_acknowledgement(t); /* the last block again: the server did not get the one before */
    } else if (t->state == KG_TFTP_COMES && (uint16_t)(number - due) < t->window && !t->told_gap) {
        t->told_gap = true; /* a block was lost: the server goes on behind the last one that we have */
        send_acknowledgement(t);
    }
}

static void input_error(struct kg_tftp *t, const uint8_t *packet, size_t n)
{
    size_t length = 0;
    if (t->state != KG_TFTP_ASKED && t->state != KG_TFTP_COMES && t->state != KG_TFTP_SIZED) {
        return;
    }
    while (4 + length < n && packet[4 + length] >= ' ' && packet[4 + length] < 0x7F && length < 80) {
        length++;
    }
    bool absent = t->state == KG_TFTP_ASKED && kg_get16(packet + 2) == ERROR_NOT_FOUND;
    t->state = absent ? KG_TFTP_NONE : KG_TFTP_FAILED;
    kg_format(t->problem, sizeof t->problem, "the server answers with error %u: %.*s", kg_get16(packet + 2),
              (int)length, (const char *)packet + 4);
    t->sends = false;
}

void kg_tftp_input(struct kg_tftp *t, uint16_t port, const uint8_t *packet, size_t n, uint64_t now)
{
    if (n < 4 || (t->peer && port != t->peer)) {
        return;
    }
    switch (kg_get16(packet)) {
    case DATA: input_data(t, port, packet, n, now); break;
    case ERROR: input_error(t, packet, n); break;
    case OPTIONS: input_options(t, port, packet, n); break;
    default: break;
    }
}

void kg_tftp_poll(struct kg_tftp *t, uint64_t now)
{
    bool waits = t->state == KG_TFTP_ASKED || t->state == KG_TFTP_COMES;
    if (!waits || now < t->due) {
        return;
    }
    if (++t->tries >= TRIES) {
        if (t->state == KG_TFTP_COMES) {
            fail_transfer(t, 0, "the server has stopped sending");
        } else {
            t->state = KG_TFTP_FAILED;
            kg_format(t->problem, sizeof t->problem, "no TFTP server answers");
        }
        return;
    }
    t->due = now + ((uint64_t)FIRST_MS << (t->tries < DOUBLED_MOST ? t->tries : DOUBLED_MOST));
    if (t->state == KG_TFTP_COMES) {
        t->told_gap = false;
        send_acknowledgement(t); /* of all blocks so far */
    }
    t->sends = true;
}
