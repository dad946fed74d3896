/* What the firmware's ACPI tables say: processors, timers, and how to switch off and reset. Parsing only: whoever owns the memory
 * hands it in piece by piece, so that made-up tables can be read as well as real ones. Nothing is believed before its check sum
 * was right and its bytes were there; no length is. (ACPI 6.5, 5.2.) */
#ifndef KGPT_ACPI_H
#define KGPT_ACPI_H

#include <stdbool.h>
#include <stdint.h>

struct kg_acpi_memory {
    /* `size` readable bytes at a physical address, valid for good; NULL where there are none. */
    const void *(*read)(void *context, uint64_t address, uint64_t size);
    void *context;
};

/* The lists of tables that the root pointer names. */
struct kg_acpi {
    const struct kg_acpi_memory *memory;
    uint64_t xsdt, rsdt; /* their addresses; 0: none */
};

struct kg_acpi_table {
    const uint8_t *bytes; /* header included */
    uint32_t size;
};

/* Reads the root pointer at physical address `rsdp`. NULL, or what is wrong with it. */
const char *kg_acpi_open(struct kg_acpi *acpi, uint64_t rsdp, const struct kg_acpi_memory *memory);

/* The n-th table (from 0) with this signature: those of the XSDT first, then those of the RSDT, which lists the same again.
 * Damaged ones are left out. */
bool kg_acpi_find(const struct kg_acpi *acpi, const char *signature, uint32_t n, struct kg_acpi_table *table);

#define KG_ACPI_MAX_CPUS 256u

struct kg_acpi_cpus {
    uint32_t n;                     /* processors that are enabled, each once */
    uint32_t ids[KG_ACPI_MAX_CPUS]; /* their APIC ids, the first KG_ACPI_MAX_CPUS of them */
};

/* From the MADT. NULL, or what is wrong with the tables. A processor that could only be enabled later (hot-plugged) is not there. */
const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, const struct kg_acpi *acpi);

enum kg_acpi_space {
    KG_ACPI_MEMORY = 0,
    KG_ACPI_PORT = 1,
    KG_ACPI_PCI = 2, /* of bus 0: device << 32 | function << 16 | offset */
};

struct kg_acpi_register {
    uint64_t address; /* 0: there is none */
    uint8_t space;    /* enum kg_acpi_space */
};

/* The FADT: the fixed registers, each where it is, the newer, longer form of its address before the older one. */
struct kg_acpi_fadt {
    uint64_t dsdt;                          /* address of the table that everything else is described in */
    bool reduced;                           /* hardware-reduced: none of the pm1 registers, no timer */
    struct kg_acpi_register pm1_status[2];  /* a and b, 16 bits, or none */
    struct kg_acpi_register pm1_enable[2];  /* likewise; behind the status */
    struct kg_acpi_register pm1_control[2]; /* likewise */
    bool power_button; /* it sets a bit of pm1_status; false: it is a device of the DSDT, or there is none */
    struct kg_acpi_register timer;         /* counts at 3,579,545 Hz */
    bool timer_32_bits;                    /* else 24 */
    struct kg_acpi_register sleep_control; /* 8 bits, of hardware-reduced machines */
    struct kg_acpi_register reset;         /* 8 bits; none if the machine does not say that it works */
    uint8_t reset_value;                   /* what to write there */
    uint8_t enable_value;                  /* written to smi_port switches to ACPI mode; */
    uint16_t smi_port;                     /* 0: it always is */
    uint16_t boot_arch;                    /* IA-PC boot architecture flags; 0 where too old to say */
};

/* False without a FADT. */
bool kg_acpi_find_fadt(struct kg_acpi_fadt *fadt, const struct kg_acpi *acpi);

/* What to write for sleep state S5, soft off: SLP_TYP, 0 to 7, for the a and b registers. It is an object of the DSDT or an SSDT, which are
 * programs; it is found by its bytes, without running them. False if there is none, or what is there cannot be it. */
bool kg_acpi_find_s5(uint8_t types[2], const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt);

/* Where the registers of the HPET are, in memory; 0: there is none. */
uint64_t kg_acpi_find_hpet(const struct kg_acpi *acpi);

/* Where the configuration space of some buses lies in memory: 4,096 bytes a function, beginning with bus 0. */
struct kg_acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t first, last; /* buses */
};

/* The n-th of the MCFG, from 0; false: there are fewer. */
bool kg_acpi_find_ecam(struct kg_acpi_ecam *ecam, const struct kg_acpi *acpi, uint32_t n);

/* Where the registers of the n-th IOMMU are, from 0, Intel's by the DMAR or AMD's by the IVRS; 0: there are fewer. */
uint64_t kg_acpi_find_iommu(const struct kg_acpi *acpi, bool amd, uint32_t n);

#endif
