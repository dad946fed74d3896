/* Status codes of fallible functions, and exit codes of a run. */
#ifndef KGPT_STATUS_H
#define KGPT_STATUS_H

enum kg_status {
    KG_OK = 0,
    KG_E_INPUT,   /* invalid input from the user or a file */
    KG_E_MEMORY,  /* the arena is too small */
    KG_E_CONTEXT, /* the context is full */
    KG_E_STOPPED, /* Ctrl-C */
    KG_E_NUMBERS, /* the model computes NaN or infinity */
};

/* Exit code of a run. The `exit` event carries it, and the hosted process exits with it. The kernel writes
 * KG_EXIT_PORT_BASE + code to QEMU's isa-debug-exit, so QEMU exits with 65 + 2 * code. */
enum kg_exit {
    KG_EXIT_OK = 0,
    KG_EXIT_REFUSED = 1, /* bad command line, bad model, or too little memory: the user can fix it */
    KG_EXIT_FAILED = 4,  /* a panic, a failed self-test, or a model that computes NaN or infinity */
};
#define KG_EXIT_PORT_BASE 32

#endif
