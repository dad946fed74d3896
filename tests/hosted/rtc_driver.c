/* The clock in CMOS on simulated ports. */
#include "ports.h"

#include "../../kernel_c/platform/pc/rtc.c"
