/* Faults of this architecture for `fault=`: platform/common/fault.c has the others. A division by zero is none. */
#include "kgpt/str.h"
#include "platform/common/processor.h"
#include "psci.h"

bool kg_processor_fault(const char *kind)
{
    if (kg_streq(kind, "reset")) {
        kg_psci_reset();
        return true;
    }
    if (kg_streq(kind, "ud")) {
        __asm__ volatile("udf #0");
        return true;
    }
    return false;
}
