/* Refuses a processor without what kernels are compiled for. */
#include "requirements.h"

#include "kgpt/platform.h"
#include "platform/common/machine.h"
#include "registers.h"

#define FP_SHIFT 16 /* ID_AA64PFR0_EL1.FP; AdvSIMD has the same value */
#define FP_NONE 15u

static const char text[] = "kgpt: error: this processor has no floating-point registers; kgpt needs Advanced SIMD\n";
static const char events[] = "{\"event\":\"error\",\"message\":\"this processor has no floating-point registers\","
                             "\"hint\":\"use a processor with Advanced SIMD\"}\n"
                             "{\"event\":\"exit\",\"code\":1,\"reason\":\"refused\"}\n";

void kg_processor_require(void)
{
    if ((KG_READ_REGISTER(id_aa64pfr0_el1) >> FP_SHIFT & FP_NONE) != FP_NONE) {
        return;
    }
    kg_serial_write(text, sizeof text - 1);
    kg_channel_write(events, sizeof events - 1);
    plat_exit(KG_EXIT_REFUSED);
}
