/* How the machine ends. */
#include "debugcon.h"
#include "io.h"
#include "kgpt/platform.h"
#include "screen.h"
#include "serial.h"

#define DEBUG_EXIT 0xF4
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_BUSY 0x02
#define KEYBOARD_RESET 0xFE
#define MAX_SPINS 100000

/* PM1a control ports at which QEMU's machines take S5 (pc and q35; older firmware), told apart from real ones by CPUID. */
#define QEMU_PM1A_CONTROL 0x604
#define BOCHS_PM1A_CONTROL 0xB004
#define SLEEP_ENABLE_S5 0x2000

static bool under_hypervisor(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    return r[2] >> 31 || kg_debugcon_present();
}

_Noreturn void plat_exit(enum kg_exit code)
{
    static const char text[] = "kgpt: halted; the machine can be switched off\n";
    kg_serial_flush();
    kg_screen_flush();
    if (under_hypervisor()) {
        kg_outl(DEBUG_EXIT, KG_EXIT_PORT_BASE + (uint32_t)code);
        kg_outw(QEMU_PM1A_CONTROL, SLEEP_ENABLE_S5);
        kg_outw(BOCHS_PM1A_CONTROL, SLEEP_ENABLE_S5);
    }
    plat_write(text, sizeof text - 1);
    kg_screen_flush();
    kg_halt();
}

_Noreturn void plat_reboot(void)
{
    kg_serial_flush();
    kg_screen_flush();
    for (int i = 0; i < MAX_SPINS && (kg_inb(KEYBOARD_COMMAND) & KEYBOARD_BUSY); i++) {
    }
    kg_outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    for (int i = 0; i < MAX_SPINS; i++)
        kg_inb(KEYBOARD_COMMAND);
    plat_fault("reset");
    kg_halt();
}
