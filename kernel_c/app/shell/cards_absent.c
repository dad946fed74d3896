/* In kernels without language models, and in a process. */
#include "shell.h"

const struct kg_command kg_card_commands[] = {{0}};
