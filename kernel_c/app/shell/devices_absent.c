/* In kernels without drivers, and in a process. */
#include "shell.h"

void kg_keyboards_tell(void *context)
{
    (void)context;
}

const struct kg_command kg_device_commands[] = {{0}};
