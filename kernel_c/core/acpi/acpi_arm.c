/* What the tables of ARM machines say: see kgpt/acpi.h. (ACPI 6.5, 5.2.9.4, 5.2.12.14 to 17, 5.2.25; Microsoft's SPCR
 * 1.08.) */
#include "acpi_tables.h"
#include "kgpt/mem.h"

/* Offsets in the tables. */
enum { FADT_ARM_FLAGS = 129 };
enum { GTDT_VIRTUAL_TIMER = 64 };
enum { SPCR_KIND = 36, SPCR_REGISTER = 40, SPCR_INTERRUPTS = 52, SPCR_INTERRUPT = 54 };

#define FLAG_PSCI 1u
#define FLAG_PSCI_HVC 2u
#define INTERRUPTS_GIC 8u

/* Kinds of serial ports that have the registers of a PL011: itself, and the SBSA's generic UART, its subset. */
#define KIND_PL011 0x03u
#define KIND_SBSA_32 0x0Du
#define KIND_SBSA 0x0Eu
#define PL011_SIZE 0x1000u

/* Entries of the MADT, and offsets in them. */
enum { ENTRY_GICC = 0x0B, ENTRY_GICD = 0x0C, ENTRY_GICR = 0x0E };
enum { GICC_FLAGS = 12, GICC_INTERFACE = 32, GICC_FRAMES = 60, GICC_MPIDR = 68, GICC_LEAST = 76 };
enum { GICD_BASE = 8, GICD_VERSION = 20, GICD_LEAST = 24 };
enum { GICR_BASE = 4, GICR_LENGTH = 12, GICR_LEAST = 16 };

#define FLAG_ENABLED 1u
#define FRAMES_SIZE 0x20000u /* of one processor's redistributor: a MADT of GICCs does not say whether there are more */

static void add_frames(struct kg_acpi_gic *gic, uint64_t base, uint64_t size)
{
    struct kg_acpi_range *last = gic->n_frames ? &gic->frames[gic->n_frames - 1] : NULL;
    if (base == 0 || size == 0 || base + size < base) {
        return;
    }
    if (last && last->base + last->size == base) {
        last->size += size;
    } else if (gic->n_frames < KG_ACPI_GIC_FRAMES) {
        gic->frames[gic->n_frames++] = (struct kg_acpi_range){base, size};
    }
}

static void add_processor(struct kg_acpi_gic *gic, const struct kg_acpi_table *madt, uint32_t at)
{
    if (!(kg_acpi_field(madt, at + GICC_FLAGS, 4) & FLAG_ENABLED)) {
        return;
    }
    if (gic->n_cpus < KG_ACPI_MAX_CPUS) {
        gic->affinities[gic->n_cpus++] = kg_acpi_field(madt, at + GICC_MPIDR, 8);
    }
    if (!gic->interface) {
        gic->interface = kg_acpi_field(madt, at + GICC_INTERFACE, 8);
    }
}

static void read_gic_entry(void *to, const struct kg_acpi_table *madt, struct kg_madt_entry entry)
{
    struct kg_acpi_gic *gic = to;
    uint32_t at = entry.at;
    if (entry.type == ENTRY_GICC && entry.size >= GICC_LEAST) {
        add_processor(gic, madt, at);
    } else if (entry.type == ENTRY_GICD && entry.size >= GICD_LEAST && !gic->distributor) {
        gic->distributor = kg_acpi_field(madt, at + GICD_BASE, 8);
        gic->version = (uint8_t)kg_acpi_field(madt, at + GICD_VERSION, 1);
    } else if (entry.type == ENTRY_GICR && entry.size >= GICR_LEAST) {
        add_frames(gic, kg_acpi_field(madt, at + GICR_BASE, 8), kg_acpi_field(madt, at + GICR_LENGTH, 4));
    }
}

static void read_frames_of_processor(void *gic, const struct kg_acpi_table *madt, struct kg_madt_entry entry)
{
    if (entry.type == ENTRY_GICC && entry.size >= GICC_LEAST) {
        add_frames(gic, kg_acpi_field(madt, entry.at + GICC_FRAMES, 8), FRAMES_SIZE);
    }
}

const char *kg_acpi_find_gic(struct kg_acpi_gic *gic, const struct kg_acpi *acpi)
{
    memset(gic, 0, sizeof *gic);
    const char *problem = kg_acpi_visit_madt(acpi, gic, read_gic_entry);
    if (!problem && gic->n_frames == 0) { /* without entries of their own the processors tell the redistributors */
        problem = kg_acpi_visit_madt(acpi, gic, read_frames_of_processor);
    }
    if (!problem && gic->version == 0) { /* firmware before ACPI 6.0 does not tell */
        gic->version = gic->interface ? 2 : gic->n_frames ? 3 : 0;
    }
    return problem ? problem : gic->n_cpus ? NULL : "the MADT lists no processor";
}

enum kg_acpi_psci kg_acpi_find_psci(const struct kg_acpi *acpi)
{
    struct kg_acpi_table fadt;
    uint64_t flags = kg_acpi_find(acpi, "FACP", 0, &fadt) ? kg_acpi_field(&fadt, FADT_ARM_FLAGS, 2) : 0;
    return !(flags & FLAG_PSCI) ? KG_ACPI_NO_PSCI : flags & FLAG_PSCI_HVC ? KG_ACPI_PSCI_HVC : KG_ACPI_PSCI_SMC;
}

uint32_t kg_acpi_find_virtual_timer(const struct kg_acpi *acpi)
{
    struct kg_acpi_table gtdt;
    return kg_acpi_find(acpi, "GTDT", 0, &gtdt) ? (uint32_t)kg_acpi_field(&gtdt, GTDT_VIRTUAL_TIMER, 4) : 0;
}

bool kg_acpi_find_pl011(struct kg_acpi_range *range, uint32_t *interrupt, const struct kg_acpi *acpi)
{
    struct kg_acpi_table spcr;
    if (!kg_acpi_find(acpi, "SPCR", 0, &spcr)) {
        return false;
    }
    uint64_t kind = kg_acpi_field(&spcr, SPCR_KIND, 1);
    struct kg_acpi_register place = kg_acpi_register_at(&spcr, SPCR_REGISTER);
    bool by_gic = kg_acpi_field(&spcr, SPCR_INTERRUPTS, 1) & INTERRUPTS_GIC;
    *range = (struct kg_acpi_range){place.address, PL011_SIZE};
    *interrupt = by_gic ? (uint32_t)kg_acpi_field(&spcr, SPCR_INTERRUPT, 4) : 0;
    return (kind == KIND_PL011 || kind == KIND_SBSA_32 || kind == KIND_SBSA) && place.space == KG_ACPI_MEMORY &&
           place.address;
}
