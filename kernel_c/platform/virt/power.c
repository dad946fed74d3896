/* Ends the machine by PSCI. */
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/platform.h"
#include "pl011.h"
#include "platform/aarch64/psci.h"
#include "platform/aarch64/registers.h"
#include "platform/common/processor.h"
#include "platform/common/screen.h"
#include "platform/drivers/devices.h"

static bool wanted_off;

void plat_off_at_exit(void)
{
    wanted_off = true;
}

static void end_devices(void)
{
    kg_irq_off();
    kg_devices_stop();
    kg_pl011_end();
    kg_screen_flush();
}

/* The machine channel has the code; QEMU ends when the machine is off. */
_Noreturn void plat_exit(enum kg_exit code)
{
    static const char text[] = "kgpt: halted; the machine can be switched off\n";
    end_devices();
    if (wanted_off || kg_channel_present()) {
        kg_psci_off();
    }
    plat_write(text, sizeof text - 1);
    kg_screen_flush();
    while (code != KG_EXIT_FAILED) {
        if (plat_read() == KG_READ_RESTART) {
            plat_reboot();
        }
        plat_relax();
    }
    kg_arm_halt();
}

_Noreturn void plat_reboot(void)
{
    end_devices();
    kg_psci_reset();
    kg_arm_halt();
}
