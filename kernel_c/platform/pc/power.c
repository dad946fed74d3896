/* Ends the machine. Any method may have no effect, and none may hang: each is given a bounded time, then the next
 * one is tried. */
#include "debugcon.h"
#include "firmware.h"
#include "idle.h"
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/platform.h"
#include "platform/common/screen.h"
#include "platform/drivers/devices.h"
#include "platform/x86_64/io.h"
#include "serial.h"

#define DEBUG_EXIT 0xF4
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_BUSY 0x02
#define KEYBOARD_RESET 0xFE
#define MAX_SPINS 100000

/* PM1a control ports of QEMU's machines for S5 (pc and q35; older firmware). CPUID distinguishes QEMU from real
 * machines. */
#define QEMU_PM1A_CONTROL 0x604
#define BOCHS_PM1A_CONTROL 0xB004
#define SLEEP_ENABLE_S5 0x2000

/* ACPI 6.5, 4.8.3.2.1 and 4.8.3.7. */
#define PM1_SCI_ENABLE 0x0001u
#define PM1_SLEEP_TYPE 0x1C00u
#define PM1_SLEEP_ENABLE 0x2000u
#define SLEEP_CONTROL_ENABLE 0x20u
#define PM1_POWER_BUTTON 0x0100u

#define RESET_CONTROL 0xCF9 /* of chipsets since the PIIX3 */
#define RESET_HARD 0x02u
#define RESET_NOW 0x04u

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define CMOS_UNUSED 0x48 /* unused by BIOSes and QEMU; survives a reset */
#define RESET_MARK 0x5A

#define ENABLE_MS 1000 /* for the switch to ACPI mode */
#define OFF_MS 2000    /* for the power supply */
#define RESET_MS 100

static bool wanted_off;
static struct kg_acpi_register buttons[2]; /* status registers with a power button bit */
static uint32_t n_buttons;

void plat_off_at_exit(void)
{
    wanted_off = true;
}

static bool under_hypervisor(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    return r[2] >> 31 || kg_channel_present();
}

static void wait_ms(uint32_t ms)
{
    while (ms-- > 0) {
        plat_delay_us(1000);
    }
}

/* Before the switch to ACPI mode, the firmware's SMM may own the sleep registers. */
static void enter_acpi_mode(const struct kg_acpi_fadt *fadt)
{
    const struct kg_acpi_register *control = &fadt->pm1_control[0];
    if (!fadt->smi_port || !fadt->enable_value || (kg_register_read(control, 2) & PM1_SCI_ENABLE)) {
        return;
    }
    kg_outb(fadt->smi_port, fadt->enable_value);
    for (uint32_t ms = 0; ms < ENABLE_MS && !(kg_register_read(control, 2) & PM1_SCI_ENABLE); ms++) {
        wait_ms(1);
    }
}

/* A bit that cannot be cleared (of an absent port, for example) is ignored. */
static void take_button(const struct kg_acpi_fadt *fadt)
{
    enter_acpi_mode(fadt);
    for (uint32_t i = 0; i < 2; i++) {
        const struct kg_acpi_register *status = &fadt->pm1_status[i], *enable = &fadt->pm1_enable[i];
        if (!kg_register_usable(status, 2) || !kg_register_usable(enable, 2)) {
            continue;
        }
        kg_register_write(status, 2, PM1_POWER_BUTTON); /* write 1 to clear */
        kg_register_write(enable, 2, PM1_POWER_BUTTON);
        if (!(kg_register_read(status, 2) & PM1_POWER_BUTTON)) {
            buttons[n_buttons++] = *status;
        }
    }
}

/* The first call takes the button over from the firmware, which would power off at once. */
bool kg_power_pressed(void)
{
    static bool looked;
    const struct kg_acpi_fadt *fadt = looked ? NULL : kg_firmware_fadt();
    looked = true;
    if (fadt && fadt->power_button) {
        take_button(fadt);
    }
    bool pressed = false;
    for (uint32_t i = 0; i < n_buttons; i++) {
        if (kg_register_read(&buttons[i], 2) & PM1_POWER_BUTTON) {
            kg_register_write(&buttons[i], 2, PM1_POWER_BUTTON);
            pressed = true;
        }
    }
    return pressed;
}

/* Writes SLP_TYP first, then SLP_TYP with SLP_EN, to both registers as the specification requires. Clears the wake
 * status before (write 1 to clear), because an old wake event would wake the machine again. */
static void sleep_by_pm1(const struct kg_acpi_fadt *fadt, const uint8_t types[2])
{
    uint32_t value[2], n = 0;
    enter_acpi_mode(fadt);
    for (uint32_t i = 0; i < 2; i++) {
        if (kg_register_usable(&fadt->pm1_status[i], 2)) {
            kg_register_write(&fadt->pm1_status[i], 2, kg_register_read(&fadt->pm1_status[i], 2));
        }
    }
    for (uint32_t i = 0; i < 2 && kg_register_usable(&fadt->pm1_control[i], 2); i++, n++) {
        value[i] =
            (kg_register_read(&fadt->pm1_control[i], 2) & ~(PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE)) | types[i] * 0x400u;
        kg_register_write(&fadt->pm1_control[i], 2, value[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        kg_register_write(&fadt->pm1_control[i], 2, value[i] | PM1_SLEEP_ENABLE);
    }
}

/* Enters sleep state S5 through ACPI. Returns if the machine did not power off. */
static void power_off(void)
{
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    const struct kg_acpi_fadt *fadt = kg_firmware_fadt();
    uint8_t types[2];
    if (!fadt || !kg_acpi_find_s5(types, acpi, fadt)) {
        return;
    }
    if (kg_register_usable(&fadt->pm1_control[0], 2)) {
        sleep_by_pm1(fadt, types);
    } else if (fadt->reduced && kg_register_usable(&fadt->sleep_control, 1)) {
        kg_register_write(&fadt->sleep_control, 1, types[0] << 2 | SLEEP_CONTROL_ENABLE);
    } else {
        return;
    }
    wait_ms(OFF_MS);
}

/* Keeps the screen readable until the power button or Ctrl-Alt-Del is pressed, and sleeps meanwhile. */
_Noreturn static void wait_for_button(void)
{
    while (!kg_idle_is_deaf()) {
        int byte = plat_read();
        if (byte == KG_READ_OFF) {
            power_off();
        }
        if (byte == KG_READ_RESTART) {
            plat_reboot();
        }
        plat_relax();
    }
    kg_halt();
}

/* A virtual machine without ACPI can only end by a reset (QEMU's -no-reboot, Firecracker). If the reset restarts it,
 * the mark in CMOS tells the next run not to reset again. */
static void reset_for_good(void)
{
    kg_outb(CMOS_INDEX, CMOS_UNUSED);
    bool again = kg_inb(CMOS_DATA) == RESET_MARK;
    kg_outb(CMOS_DATA, again ? 0 : RESET_MARK);
    if (!again && kg_inb(CMOS_DATA) == RESET_MARK) {
        plat_reboot();
    }
}

_Noreturn void plat_exit(enum kg_exit code)
{
    static const char text[] = "kgpt: halted; the machine can be switched off\n";
    bool virtual = under_hypervisor();
    kg_interrupts_off();
    kg_devices_stop();
    kg_serial_end();
    kg_screen_flush();
    if (virtual) {
        kg_outl(DEBUG_EXIT, KG_EXIT_PORT_BASE + (uint32_t)code);
    }
    if (wanted_off) {
        power_off();
    }
    bool seen_elsewhere = kg_channel_present() || kg_serial_present() || !*kg_screen_mode();
    if (virtual && (wanted_off || seen_elsewhere)) {
        kg_outw(QEMU_PM1A_CONTROL, SLEEP_ENABLE_S5);
        kg_outw(BOCHS_PM1A_CONTROL, SLEEP_ENABLE_S5);
    }
    if (virtual && wanted_off && !kg_firmware_fadt()) {
        reset_for_good();
    }
    plat_write(text, sizeof text - 1);
    kg_screen_flush();
    if (code == KG_EXIT_FAILED) {
        kg_halt();
    }
    wait_for_button();
}

static void reset_by_firmware(void)
{
    const struct kg_acpi_fadt *fadt = kg_firmware_fadt();
    if (!fadt || !kg_register_usable(&fadt->reset, 1)) {
        return;
    }
    kg_register_write(&fadt->reset, 1, fadt->reset_value);
    wait_ms(RESET_MS);
}

static void reset_by_chipset(void)
{
    uint8_t others = kg_inb(RESET_CONTROL) & (uint8_t)~(RESET_HARD | RESET_NOW);
    kg_outb(RESET_CONTROL, others | RESET_HARD);
    kg_outb(RESET_CONTROL, others | RESET_HARD | RESET_NOW);
    wait_ms(RESET_MS);
}

static void reset_by_keyboard(void)
{
    for (int i = 0; i < MAX_SPINS && (kg_inb(KEYBOARD_COMMAND) & KEYBOARD_BUSY); i++) {
    }
    kg_outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    wait_ms(RESET_MS);
}

_Noreturn void plat_reboot(void)
{
    kg_interrupts_off();
    kg_devices_stop();
    kg_serial_end();
    kg_screen_flush();
    reset_by_firmware();
    reset_by_chipset();
    reset_by_keyboard();
    plat_fault("reset"); /* without an IDT the processor triple-faults */
    kg_halt();
}
