/* Kernels without language models serve nobody, and leave network cards alone. */
#include "platform/drivers/table.h"

const struct kg_driver_row kg_net_drivers[] = {{0}};
