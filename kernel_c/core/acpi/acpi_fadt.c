/* FADT (fixed registers) and HPET table: see kgpt/acpi.h. (ACPI 6.5, 5.2.9; IA-PC HPET 1.0a, 3.2.4.) */
#include "acpi_tables.h"
#include "kgpt/mem.h"

enum field {
    DSDT = 40,
    SMI_CMD = 48,
    ACPI_ENABLE = 52,
    PM1A_EVT_BLK = 56, /* for these three, the b register follows a */
    PM1A_CNT_BLK = 64,
    PM_TMR_BLK = 76,
    PM1_EVT_LEN = 88,
    IAPC_BOOT_ARCH = 109,
    FLAGS = 112,
    RESET_REG = 116,
    RESET_VALUE = 128,
    X_DSDT = 140,
    X_PM1A_EVT_BLK = 148,
    X_PM1A_CNT_BLK = 172,
    X_PM_TMR_BLK = 208,
    SLEEP_CONTROL_REG = 244,
};
#define REGISTER_SIZE 12 /* bytes of a generic address structure */

#define FLAG_BUTTON_IS_DEVICE (1u << 4)
#define FLAG_TIMER_32_BITS (1u << 8)
#define FLAG_RESET (1u << 10)
#define FLAG_REDUCED (1u << 20)

#define HPET_ADDRESS 40

/* A fixed register: the generic address structure at `extended` if it is usable, otherwise the 32-bit port of ACPI
 * 1.0. */
static struct kg_acpi_register fixed_register(const struct kg_acpi_table *fadt, uint32_t at, uint32_t extended)
{
    struct kg_acpi_register result = kg_acpi_register_at(fadt, extended);
    if (result.address == 0 || result.space == KG_ACPI_PCI) {
        uint64_t port = kg_acpi_field(fadt, at, 4);
        result = (struct kg_acpi_register){port <= 0xFFFF ? port : 0, KG_ACPI_PORT};
    }
    return result;
}

bool kg_acpi_find_fadt(struct kg_acpi_fadt *fadt, const struct kg_acpi *acpi)
{
    struct kg_acpi_table table;
    memset(fadt, 0, sizeof *fadt);
    if (!kg_acpi_find(acpi, "FACP", 0, &table)) {
        return false;
    }
    uint64_t flags = kg_acpi_field(&table, FLAGS, 4), dsdt = kg_acpi_field(&table, X_DSDT, 8);
    fadt->dsdt = dsdt ? dsdt : kg_acpi_field(&table, DSDT, 4);
    fadt->boot_arch = (uint16_t)kg_acpi_field(&table, IAPC_BOOT_ARCH, 2);
    fadt->sleep_control = kg_acpi_register_at(&table, SLEEP_CONTROL_REG);
    if (flags & FLAG_RESET) {
        fadt->reset = kg_acpi_register_at(&table, RESET_REG);
        fadt->reset_value = (uint8_t)kg_acpi_field(&table, RESET_VALUE, 1);
    }
    fadt->reduced = flags & FLAG_REDUCED;
    if (fadt->reduced) {
        return true;
    }
    for (uint32_t i = 0; i < 2; i++) {
        fadt->pm1_status[i] = fixed_register(&table, PM1A_EVT_BLK + 4 * i, X_PM1A_EVT_BLK + REGISTER_SIZE * i);
        fadt->pm1_enable[i] = fadt->pm1_status[i];
        if (fadt->pm1_status[i].address) {
            fadt->pm1_enable[i].address += kg_acpi_field(&table, PM1_EVT_LEN, 1) / 2;
        }
        fadt->pm1_control[i] = fixed_register(&table, PM1A_CNT_BLK + 4 * i, X_PM1A_CNT_BLK + REGISTER_SIZE * i);
    }
    fadt->timer = fixed_register(&table, PM_TMR_BLK, X_PM_TMR_BLK);
    fadt->power_button = !(flags & FLAG_BUTTON_IS_DEVICE) && kg_acpi_field(&table, PM1_EVT_LEN, 1) >= 4;
    fadt->timer_32_bits = flags & FLAG_TIMER_32_BITS;
    fadt->smi_port = (uint16_t)kg_acpi_field(&table, SMI_CMD, 2);
    fadt->enable_value = (uint8_t)kg_acpi_field(&table, ACPI_ENABLE, 1);
    return true;
}

uint64_t kg_acpi_find_hpet(const struct kg_acpi *acpi)
{
    struct kg_acpi_table table;
    if (!kg_acpi_find(acpi, "HPET", 0, &table)) {
        return 0;
    }
    struct kg_acpi_register where = kg_acpi_register_at(&table, HPET_ADDRESS);
    return where.space == KG_ACPI_MEMORY ? where.address : 0;
}
