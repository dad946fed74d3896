/* In kernels without drivers. */
#include "shell.h"

const struct kg_command kg_device_commands[] = {{0}};
