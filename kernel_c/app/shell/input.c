/* Typed input: see input.h. */
#include "input.h"

#include "kgpt/platform.h"

/* Bytes closer than 1/60 s are a paste: nobody types so fast, and terminals send faster (8 ms a byte at 1200 baud). */
#define CLOSE_PER_SECOND 60

/* A byte that ends the run is remembered, so that every reader sees it. */
static int read_byte(struct kg_input *input)
{
    int byte = input->ended ? KG_READ_END : plat_read();
    if (byte < KG_READ_END) {
        input->ended = byte;
    }
    return byte;
}

static void keep_byte(struct kg_input *input, int byte)
{
    input->ahead[(input->first + input->n) % sizeof input->ahead] = (unsigned char)byte;
    input->n++;
}

static int kept_byte(struct kg_input *input)
{
    int byte = input->ahead[input->first];
    input->first = (input->first + 1) % sizeof input->ahead;
    input->n--;
    return byte;
}

bool kg_input_stopped(struct kg_input *input)
{
    plat_poll();
    while (input->n < sizeof input->ahead) { /* when the ring is full, the device keeps the rest */
        int byte = read_byte(input);
        if (byte < 0) {
            return input->ended;
        }
        if (byte == KG_CTRL_C) {
            return true;
        }
        keep_byte(input, byte);
    }
    return false;
}

void kg_input_begin(struct kg_input *input)
{
    input->pause = input->last = 0;
    input->close = input->counted = 0;
}

static void note_time(struct kg_input *input)
{
    uint64_t now = plat_ticks(), pause = input->last ? now - input->last : UINT64_MAX;
    bool close = pause < plat_ticks_hz() / CLOSE_PER_SECOND;
    input->close = (uint8_t)(input->close << 1 | close);
    input->counted += input->counted < 8;
    if (input->last && pause > input->pause) {
        input->pause = pause;
    }
    input->last = now;
}

/* Reads a byte without waiting, and records its time; KG_READ_NONE if there is none. */
static int read_now(struct kg_input *input)
{
    int byte = read_byte(input);
    if (byte >= 0) {
        note_time(input);
    }
    return byte;
}

int kg_input_byte(struct kg_input *input)
{
    if (input->waits && !input->ended) {
        input->waits = false;
        return input->next;
    }
    if (input->n && !input->ended) {
        kg_input_begin(input);
        return kept_byte(input);
    }
    for (;;) {
        int byte = read_now(input);
        if (byte != KG_READ_NONE) {
            return byte;
        }
        if (input->idle) {
            input->idle(input->context);
        }
        plat_relax();
    }
}

static bool comes_within(struct kg_input *input, uint64_t ticks)
{
    uint64_t start = plat_ticks();
    while (!input->waits && !input->n && plat_ticks() - start < ticks) {
        int byte = read_now(input);
        if (byte < KG_READ_NONE) {
            return false;
        }
        input->waits = byte >= 0;
        input->next = (unsigned char)byte;
        if (byte < 0) {
            plat_relax();
        }
    }
    return input->waits || input->n;
}

static unsigned count_bits(unsigned bits)
{
    unsigned n = 0;
    for (; bits; bits &= bits - 1) {
        n++;
    }
    return n;
}

/* A busy host may deliver a paste in bursts, so the wait grows with the longest pause so far. */
bool kg_input_is_pasted(struct kg_input *input)
{
    uint64_t second = plat_ticks_hz(), wait = second / 2 + 4 * input->pause;
    return 2 * count_bits(input->close) >= input->counted && input->counted &&
           comes_within(input, wait < 2 * second ? wait : 2 * second);
}
