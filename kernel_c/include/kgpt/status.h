/* Results of fallible functions, and how the whole machine ends. */
#ifndef KGPT_STATUS_H
#define KGPT_STATUS_H

enum kg_status {
    KG_OK = 0,
    KG_E_INPUT,   /* what the user or a file said is wrong */
    KG_E_MEMORY,  /* the arena is too small */
    KG_E_CONTEXT, /* the context is full */
    KG_E_STOPPED, /* Ctrl-C */
    KG_E_NUMBERS, /* the model computes what is no number */
};

/* The verdict of a run: the machine channel's `exit` event carries it, the hosted process exits with it, and the
 * kernel writes KG_EXIT_PORT_BASE + code to QEMU's isa-debug-exit, so that QEMU's own status is 65 + 2 * code. */
enum kg_exit {
    KG_EXIT_OK = 0,
    KG_EXIT_REFUSED = 1, /* bad command line, bad model, too little memory: the user can mend it */
    KG_EXIT_FAILED = 4,  /* panic, a self-test that failed, or a model that computes what is no number */
};
#define KG_EXIT_PORT_BASE 32

#endif
