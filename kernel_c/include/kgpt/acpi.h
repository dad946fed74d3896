/* Parser of the firmware's ACPI tables (ACPI 6.5, 5.2): processors, timers, soft off, reset, ECAM, IOMMUs. The
 * caller supplies memory through kg_acpi_memory, so hosted tests can supply tables of their own. The parser checks
 * every checksum and every length before it uses a table. */
#ifndef KGPT_ACPI_H
#define KGPT_ACPI_H

#include <stdbool.h>
#include <stdint.h>

struct kg_acpi_memory {
    /* `size` readable bytes at a physical address, which stay readable; NULL if they are not memory. */
    const void *(*read)(void *context, uint64_t address, uint64_t size);
    void *context;
};

/* The root tables to which the root pointer (RSDP) points. */
struct kg_acpi {
    const struct kg_acpi_memory *memory;
    uint64_t xsdt, rsdt; /* physical addresses; 0: absent */
};

struct kg_acpi_table {
    const uint8_t *bytes; /* header included */
    uint32_t size;
};

/* Reads the root pointer (RSDP) at physical address `rsdp`. Returns NULL, or the problem with it as text. */
const char *kg_acpi_open(struct kg_acpi *acpi, uint64_t rsdp, const struct kg_acpi_memory *memory);

/* The n-th table (from 0) with this signature. The tables of the XSDT come first, then those of the RSDT, which
 * lists the same tables again. Damaged tables are skipped. */
bool kg_acpi_find(const struct kg_acpi *acpi, const char *signature, uint32_t n, struct kg_acpi_table *table);

#define KG_ACPI_MAX_CPUS 256u

struct kg_acpi_cpus {
    uint32_t n;                     /* enabled processors, without duplicates */
    uint32_t ids[KG_ACPI_MAX_CPUS]; /* APIC ids of the first KG_ACPI_MAX_CPUS processors */
};

/* Reads the MADT. Returns NULL, or the problem with the tables as text. Processors that are only online-capable
 * (hot-plug) are not listed. */
const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, const struct kg_acpi *acpi);

enum kg_acpi_space {
    KG_ACPI_MEMORY = 0,
    KG_ACPI_PORT = 1,
    KG_ACPI_PCI = 2, /* configuration space of bus 0: device << 32 | function << 16 | offset */
};

struct kg_acpi_register {
    uint64_t address; /* 0: the register does not exist */
    uint8_t space;    /* enum kg_acpi_space */
};

/* The fixed registers of the FADT. The 64-bit form of an address (X_) takes precedence over the 32-bit form. */
struct kg_acpi_fadt {
    uint64_t dsdt;                          /* address of the DSDT */
    bool reduced;                           /* hardware-reduced ACPI: no PM1 registers and no PM timer */
    struct kg_acpi_register pm1_status[2];  /* PM1a and PM1b event status, 16 bits; may be absent */
    struct kg_acpi_register pm1_enable[2];  /* PM1a and PM1b event enable: they follow the status registers */
    struct kg_acpi_register pm1_control[2]; /* PM1a and PM1b control */
    bool power_button; /* fixed power button: sets a bit of pm1_status. False: a DSDT device, or no button */
    struct kg_acpi_register timer;         /* PM timer, 3,579,545 Hz */
    bool timer_32_bits;                    /* false: 24 bits */
    struct kg_acpi_register sleep_control; /* 8 bits; only on hardware-reduced machines */
    struct kg_acpi_register reset;         /* 8 bits; absent unless the FADT declares reset support */
    uint8_t reset_value;                   /* value that resets the machine */
    uint8_t enable_value;                  /* value that switches to ACPI mode when written to smi_port */
    uint16_t smi_port;                     /* 0: the machine is always in ACPI mode */
    uint16_t boot_arch;                    /* IA-PC boot architecture flags; 0 if the FADT is too old to have them */
};

/* Returns false if there is no FADT. */
bool kg_acpi_find_fadt(struct kg_acpi_fadt *fadt, const struct kg_acpi *acpi);

/* SLP_TYP (0 to 7) for the a and b registers of sleep state S5, soft off. The DSDT or an SSDT holds it as the object
 * \_S5 in AML bytecode; the parser searches for its bytes and does not interpret the AML. Returns false if no
 * plausible \_S5 object exists. */
bool kg_acpi_find_s5(uint8_t types[2], const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt);

/* Physical address of the HPET registers; 0: no HPET. */
uint64_t kg_acpi_find_hpet(const struct kg_acpi *acpi);

/* ECAM: configuration space of a range of buses, mapped in memory at 4,096 bytes a function. `base` is the address
 * of bus 0. */
struct kg_acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t first, last; /* buses */
};

/* The n-th ECAM range of the MCFG, from 0. Returns false past the last one. */
bool kg_acpi_find_ecam(struct kg_acpi_ecam *ecam, const struct kg_acpi *acpi, uint32_t n);

/* Physical address of the registers of the n-th IOMMU, from 0: Intel's from the DMAR, AMD's from the IVRS. Returns 0
 * past the last one. */
uint64_t kg_acpi_find_iommu(const struct kg_acpi *acpi, bool amd, uint32_t n);

struct kg_acpi_range {
    uint64_t base, size;
};

/* Names of devices, eight characters each. */
#define KG_ACPI_VIRTIO "LNRO0005" /* a virtio device that is on no bus */
#define KG_ACPI_FW_CFG "QEMU0002" /* QEMU's firmware configuration */

/* The registers of the n-th device with this name, from 0. Only the DSDT describes it; its bytes are searched, and the
 * AML is not interpreted. Returns false past the last one. */
bool kg_acpi_find_device(struct kg_acpi_range *range, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt,
                         const char *name, uint32_t n);

/* --- machines without ports: ARM --- */

/* The register of events (32 bits, cleared by reading) of a Generic Event Device whose bit 1 is the power button, as
 * QEMU has it. 0: there is none. */
uint64_t kg_acpi_find_events(const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt);

enum kg_acpi_window_kind { KG_ACPI_WINDOW_MEMORY = 0, KG_ACPI_WINDOW_PORTS = 1 };

/* A range of addresses on the PCI bus. `base` is where the processor sees `bus`. */
struct kg_acpi_window {
    enum kg_acpi_window_kind kind;
    uint64_t bus, base, size;
};

/* The n-th range of the first PCI host, from 0, whose bytes are searched in the DSDT. Returns false past the last. */
bool kg_acpi_find_window(struct kg_acpi_window *window, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt,
                         uint32_t n);

/* True if the DSDT says that devices of the PCI host see the processors' caches. */
bool kg_acpi_host_is_coherent(const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt);

#define KG_ACPI_GIC_FRAMES 16u

/* The GIC and the processors, from the MADT. Addresses of parts that it lacks are 0. */
struct kg_acpi_gic {
    uint8_t version; /* 2, 3 or 4; 0: unknown */
    uint64_t distributor, interface;
    uint32_t n_frames;
    struct kg_acpi_range frames[KG_ACPI_GIC_FRAMES]; /* redistributors */
    uint32_t n_cpus;                                 /* enabled ones */
    uint64_t affinities[KG_ACPI_MAX_CPUS];           /* MPIDR_EL1 of each */
};

/* Returns NULL, or the problem with the tables as text. */
const char *kg_acpi_find_gic(struct kg_acpi_gic *gic, const struct kg_acpi *acpi);

/* How PSCI is called, from the FADT. */
enum kg_acpi_psci { KG_ACPI_NO_PSCI, KG_ACPI_PSCI_HVC, KG_ACPI_PSCI_SMC };
enum kg_acpi_psci kg_acpi_find_psci(const struct kg_acpi *acpi);

/* The interrupt of the virtual timer, from the GTDT; 0: unknown. */
uint32_t kg_acpi_find_virtual_timer(const struct kg_acpi *acpi);

/* The console that the SPCR names, if it has the registers of a PL011. `interrupt` 0: none. */
bool kg_acpi_find_pl011(struct kg_acpi_range *range, uint32_t *interrupt, const struct kg_acpi *acpi);

#endif
