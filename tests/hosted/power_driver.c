/* power.c and firmware.c on a simulated machine, for ctypes: records writes to ports and registers, in order. */
#include "../../kernel_c/platform/x86_64/io.h"

#include <stddef.h>

#include "kgpt/mem.h"

static void fake_out(uint16_t port, uint32_t size, uint32_t value);
static uint32_t fake_in(uint16_t port, uint32_t size);
static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]);
_Noreturn static void fake_halt(void);
static void fake_interrupts_off(void)
{
}
#define kg_outb(port, value) fake_out(port, 1, value)
#define kg_outw(port, value) fake_out(port, 2, value)
#define kg_outl(port, value) fake_out(port, 4, value)
#define kg_inb(port) ((uint8_t)fake_in(port, 1))
#define kg_inw(port) ((uint16_t)fake_in(port, 2))
#define kg_inl(port) fake_in(port, 4)
#define kg_cpuid fake_cpuid
#define kg_halt fake_halt
#define kg_interrupts_off fake_interrupts_off
#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/platform/pc/firmware.c"
#include "../../kernel_c/platform/pc/power.c"

#define MOST_WRITES 64

struct write {
    uint64_t port, size, value;
};

struct machine {
    uint64_t base, size; /* readable memory, at its own addresses; starts with the root pointer */
    uint64_t hypervisor;
    uint64_t control, status, smi_port; /* ports of PM1a; 0: none */
    uint64_t enable_ms;                 /* time that the firmware takes to switch to ACPI mode */
    uint64_t page;                      /* registers in memory: one page at this address */
    struct write writes[MOST_WRITES];
    uint64_t n_writes, us, reads, text, triple_fault;
    uint64_t presses; /* presses of the power button, each after the previous halt or press */
    uint64_t restart; /* then Ctrl-Alt-Del is pressed */
    uint64_t no_serial, no_screen;
    uint64_t button; /* status register of PM1a; 0: a machine without one */
};

static struct machine *machine;
static uint64_t enabled_at;
static void *end[5];

static void fake_out(uint16_t port, uint32_t size, uint32_t value)
{
    if (machine->n_writes < MOST_WRITES) {
        machine->writes[machine->n_writes++] = (struct write){port, size, value};
    }
    if (port == machine->status && machine->button) {
        machine->button &= ~value;
    }
    if (port == machine->smi_port) {
        enabled_at = machine->us + 1000 * machine->enable_ms;
    }
}

static uint32_t fake_in(uint16_t port, uint32_t size)
{
    machine->reads++;
    if (port == machine->control && size == 2) {
        return machine->us >= enabled_at;
    }
    if (port == machine->status && machine->button) {
        return (uint32_t)machine->button;
    }
    return port == machine->status && size == 2 ? 0x8100 : 0xFFFFFFFF >> (32 - 8 * size);
}

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    (void)subleaf;
    memset(r, 0, 4 * sizeof *r);
    r[2] = leaf == 1 && machine->hypervisor ? 1u << 31 : 0;
}

_Noreturn static void fake_halt(void)
{
    __builtin_longjmp(end, 1);
}

void plat_delay_us(uint32_t us)
{
    machine->us += us;
}

void kg_devices_stop(void)
{
}

void plat_write(const char *text, size_t n)
{
    machine->text += text[n - 1] == '\n';
}

bool plat_fault(const char *kind)
{
    machine->triple_fault += kind[0] == 'r';
    return true;
}

void kg_serial_end(void)
{
}

bool kg_channel_present(void)
{
    return false;
}

bool kg_serial_present(void)
{
    return !machine->no_serial;
}

void kg_screen_flush(void)
{
}

const char *kg_screen_mode(void)
{
    return machine->no_screen ? "" : "text 80x25";
}

/* Actions of a person after the machine has halted; the test ends when none is left. */
int plat_read(void)
{
    if (machine->presses) {
        machine->presses--;
        return KG_READ_OFF;
    }
    if (machine->restart) {
        machine->restart = 0;
        return KG_READ_RESTART;
    }
    return KG_READ_NONE;
}

bool kg_idle_is_deaf(void)
{
    return false;
}

void plat_relax(void)
{
    if (!machine->presses && !machine->restart) {
        fake_halt();
    }
}

bool kg_paging_readable(uint64_t from, uint64_t size)
{
    return from >= machine->base && size <= machine->size && from - machine->base <= machine->size - size;
}

bool kg_paging_device(uint64_t page)
{
    return page == machine->page;
}

static void begin(struct machine *m)
{
    static struct kg_boot info;
    machine = m;
    enabled_at = UINT64_MAX;
    info = (struct kg_boot){.rsdp = m->base, .n_regions = 1, .regions = {{m->base, m->size, KG_REGION_RAM}}};
    kg_firmware_init(&info);
}

/* Returns when the machine would halt. */
void driver_end(struct machine *m, uint32_t how);
void driver_end(struct machine *m, uint32_t how)
{
    enum { EXIT, EXIT_FOR_GOOD, REBOOT };
    begin(m);
    if (__builtin_setjmp(end)) {
        return;
    }
    if (how == REBOOT) {
        plat_reboot();
    }
    if (how == EXIT_FOR_GOOD) {
        plat_off_at_exit();
    }
    plat_exit(KG_EXIT_OK);
}

/* How often a button that is pressed three times is reported; hundreds: repeatedly. */
uint32_t driver_button(struct machine *m);
uint32_t driver_button(struct machine *m)
{
    enum { PRESENT = 1 << 16, BUTTON = 0x100 };
    uint32_t seen = 0;
    begin(m);
    machine->button = PRESENT;
    seen += kg_power_pressed(); /* takes the button over from the firmware */
    for (int i = 0; i < 3; i++) {
        machine->button |= BUTTON;
        seen += kg_power_pressed();
        seen += 100 * kg_power_pressed();
    }
    return seen;
}
