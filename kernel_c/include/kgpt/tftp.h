/* One file by TFTP (RFC 1350) with the options blksize, tsize and windowsize (RFC 2347 to 2349, RFC 7440), as packets:
 * they come in by kg_tftp_input, and go out where `sends` is set. The numbers of blocks begin again at 0 behind
 * 65,535, as servers count. Nothing here knows a network. */
#ifndef KGPT_TFTP_H
#define KGPT_TFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_TFTP_BLOCK 1428u /* bytes of a block that are asked for */
#define KG_TFTP_WINDOW 16u  /* blocks before an acknowledgement */
#define KG_TFTP_FILE 400u   /* bytes of the longest name */
#define KG_TFTP_OUT 512u    /* bytes of our longest packet */
#define KG_TFTP_IN (4 + KG_TFTP_BLOCK)

enum kg_tftp_state {
    KG_TFTP_ASKED,  /* no answer yet */
    KG_TFTP_SIZED,  /* the size is known: kg_tftp_take goes on */
    KG_TFTP_COMES,  /* blocks come */
    KG_TFTP_WHOLE,  /* all of the file is there */
    KG_TFTP_NONE,   /* the server has no such file */
    KG_TFTP_FAILED, /* `problem` says why */
};

struct kg_tftp {
    enum kg_tftp_state state;
    uint16_t peer; /* the server's port of this transfer; 0: not known yet */
    uint32_t block, window;
    uint64_t size;  /* of the file */
    uint8_t *to;    /* (size) */
    uint64_t done;  /* bytes in order */
    uint64_t count; /* blocks in order */
    uint32_t unacknowledged;
    bool told_gap; /* the gap behind these blocks was told to the server */
    uint64_t due;  /* ms: the last packet is sent again then */
    uint32_t tries;
    uint8_t out[KG_TFTP_OUT];
    size_t n_out;
    bool sends; /* `out` shall be sent, by the caller, who clears this */
    char problem[128];
};

/* Asks for a file. False: its name is too long. */
bool kg_tftp_begin(struct kg_tftp *t, const char *file, uint64_t now);

/* In the state KG_TFTP_SIZED: the file shall come to `to`, of t->size bytes. */
void kg_tftp_take(struct kg_tftp *t, uint8_t *to, uint64_t now);

/* A packet from `port` of the server. */
void kg_tftp_input(struct kg_tftp *t, uint16_t port, const uint8_t *packet, size_t n, uint64_t now);

/* Sends again what was not answered; gives up after some tries. */
void kg_tftp_poll(struct kg_tftp *t, uint64_t now);

/* Tells the server that no more is wanted. */
void kg_tftp_stop(struct kg_tftp *t);

#endif
