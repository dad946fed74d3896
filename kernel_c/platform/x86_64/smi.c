/* The processor's count of SMIs (system management interrupts). During an SMI the firmware runs, and nothing else does;
 * no other register tells that there was one. */
#include <stddef.h>

#include "io.h"
#include "kgpt/platform.h"

#define MSR_SMI_COUNT 0x34 /* SDM 4, table 2-2 and those of the models; bits 31:0 */
#define SMI_COUNT_MASK 0xFFFFFFFFull
#define INTEL_EBX 0x756E6547u /* "Genu" */
#define INTEL_FAMILY 6
#define CPUID1_ECX_SSE4_2 (1u << 20)
#define CPUID1_ECX_HYPERVISOR (1u << 31)

/* A read of an MSR that does not exist is an exception, and CPUID has no bit for this one. Intel's processors of family
 * 6 have it since Nehalem and, of the Atoms, Silvermont. These are the ones with SSE4.2. */
const char *plat_smis(uint64_t *count)
{
    uint32_t vendor[4], leaf[4];
    kg_cpuid(0, 0, vendor);
    kg_cpuid(1, 0, leaf);
    if (leaf[2] & CPUID1_ECX_HYPERVISOR) {
        return "in a virtual machine the counter is not the real processor's";
    }
    if (vendor[1] != INTEL_EBX || (leaf[0] >> 8 & 0xF) != INTEL_FAMILY || !(leaf[2] & CPUID1_ECX_SSE4_2)) {
        return "this processor has no counter of them";
    }
    *count = kg_rdmsr(MSR_SMI_COUNT) & SMI_COUNT_MASK;
    return NULL;
}

uint64_t plat_switches(void)
{
    return 0; /* there are no tasks */
}
