/* In kernels without drivers, and in a process. */
#include "shell.h"

const struct kg_command kg_device_commands[] = {{0}};
