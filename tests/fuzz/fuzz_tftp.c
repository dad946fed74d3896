/* A TFTP client and any server. The input is steps: a byte that says what, a byte N, and what belongs to it:
 *   0: a packet of N bytes, which follow          1: the block that is due plus N - 8, of the usual size
 *   2: the block that is due, of N bytes          3: options, N bytes of which follow
 *   4: N * 100 ms pass                            5: a block from another port
 *   6: the last block, as it should be            7: the client is told to stop */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/tftp.h"
#include "net/ip/bytes.h"
#include "promise.h"

#define SIZE_MOST 70000u /* bytes of a file that is taken */
#define PORT 4000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct transfer {
    struct kg_tftp t;
    uint64_t now;
    uint8_t *to;
};

UNWATCHED static void check_transfer(struct transfer *transfer, const struct kg_tftp *before)
{
    struct kg_tftp *t = &transfer->t;
    promise(t->done >= before->done && t->count >= before->count);
    promise(t->block >= 8 && t->block <= KG_TFTP_BLOCK && t->window >= 1 && t->window <= KG_TFTP_WINDOW);
    promise(before->state < KG_TFTP_WHOLE || t->state == before->state);
    promise(t->state != KG_TFTP_WHOLE || (t->done == t->size && t->count == t->size / t->block + 1));
    promise(t->state != KG_TFTP_FAILED || t->problem[0]);
    promise(!t->sends || (t->n_out >= 4 && t->n_out <= KG_TFTP_OUT));
    promise(t->state != KG_TFTP_COMES || t->due > transfer->now || t->sends || t->tries);
    t->sends = false;
    if (t->state == KG_TFTP_SIZED && t->size <= SIZE_MOST) {
        free(transfer->to);
        transfer->to = malloc(t->size ? t->size : 1); /* of exactly its size, for the sanitizers */
        promise(transfer->to);
        kg_tftp_take(t, transfer->to, transfer->now);
        promise(t->sends && kg_get16(t->out) == 4 && kg_get16(t->out + 2) == 0);
    }
}

UNWATCHED static void give_packet(struct transfer *transfer, uint16_t port, const uint8_t *bytes, size_t n)
{
    uint8_t *packet = malloc(n ? n : 1);
    promise(packet);
    memcpy(packet, bytes, n);
    kg_tftp_input(&transfer->t, port, packet, n, transfer->now);
    free(packet);
}

UNWATCHED static void give_block(struct transfer *transfer, uint16_t port, uint16_t number, size_t n)
{
    uint8_t packet[KG_TFTP_IN + 256] = {0, 3};
    kg_put16(packet + 2, number);
    memset(packet + 4, number & 255, n);
    give_packet(transfer, port, packet, 4 + n);
}

/* The bytes that follow a step, at most `left`. */
UNWATCHED static size_t take_step(struct transfer *transfer, uint8_t what, uint8_t n, const uint8_t *rest, size_t left)
{
    struct kg_tftp *t = &transfer->t;
    uint16_t due = (uint16_t)(t->count + 1);
    uint8_t options[260] = {0, 6};
    size_t all = n < left ? n : left;
    switch (what % 8) {
    case 0: give_packet(transfer, PORT, rest, all); return all;
    case 1: give_block(transfer, PORT, (uint16_t)(due + n - 8), t->block); return 0;
    case 2: give_block(transfer, PORT, due, n); return 0;
    case 3:
        memcpy(options + 2, rest, all);
        give_packet(transfer, PORT, options, 2 + all);
        return all;
    case 4:
        transfer->now += n * 100u;
        kg_tftp_poll(t, transfer->now);
        return 0;
    case 5: give_block(transfer, PORT + 1, due, t->block); return 0;
    case 6:
        if (t->state == KG_TFTP_COMES) {
            give_block(transfer, PORT, due, t->size - t->done < t->block ? (size_t)(t->size - t->done) : t->block);
        }
        return 0;
    default: kg_tftp_stop(t); return 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transfer transfer = {.now = 1000};
    promise(kg_tftp_begin(&transfer.t, "x.gguf", transfer.now));
    promise(transfer.t.sends && transfer.t.n_out <= KG_TFTP_OUT);
    for (size_t at = 0; at + 2 <= size;) {
        struct kg_tftp before = transfer.t;
        uint8_t what = data[at], n = data[at + 1];
        at += 2 + take_step(&transfer, what, n, data + at + 2, size - at - 2);
        check_transfer(&transfer, &before);
    }
    free(transfer.to);
    return 0;
}
