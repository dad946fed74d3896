/* CPU feature detection: see kgpt/cpu.h. Linux emulates reads of the ID registers for a process (HWCAP_CPUID). */
#include "kgpt/cpu.h"

#include <stddef.h>

#include "kgpt/mem.h"
#include "kgpt/sha256.h"

/* A field of an ID register. From `least` on, the processor has the feature. */
enum id_register {
    ID_PFR0,
    ID_ISAR0,
    ID_ISAR1,
    N_ID_REGISTERS,
};

struct feature_field {
    uint32_t feature; /* enum kg_cpu_feature */
    uint8_t reg;
    uint8_t shift;
    uint8_t least;
};

const char *const kg_cpu_feature_names[KG_CPU_N_FEATURES] = {
    [__builtin_ctz(KG_CPU_NEON)] = "neon",         [__builtin_ctz(KG_CPU_DOTPROD)] = "dotprod",
    [__builtin_ctz(KG_CPU_I8MM)] = "i8mm",         [__builtin_ctz(KG_CPU_SHA2)] = "sha2",
    [__builtin_ctz(KG_CPU_CRC32)] = "crc32",       [__builtin_ctz(KG_CPU_RNG)] = "rng",
    [__builtin_ctz(KG_CPU_EMULATED)] = "emulated",
};

/* Arm Architecture Reference Manual, D19.2. NEON is no number of its kind: 15 is "none". */
static const struct feature_field feature_fields[] = {
    {KG_CPU_SHA2, ID_ISAR0, 12, 1}, {KG_CPU_CRC32, ID_ISAR0, 16, 1}, {KG_CPU_DOTPROD, ID_ISAR0, 44, 1},
    {KG_CPU_RNG, ID_ISAR0, 60, 1},  {KG_CPU_I8MM, ID_ISAR1, 52, 1},
};

#define ID_FIELD(value, shift) ((uint32_t)((value) >> (shift)) & 15)
#define NEON_SHIFT 20
#define NO_NEON 15u

/* Processors by the implementer and the part number of MIDR_EL1. */
struct part {
    uint8_t implementer;
    uint16_t number;
    const char *name;
};

static const struct part parts[] = {
    {0x41, 0xD03, "Cortex-A53"},  {0x41, 0xD04, "Cortex-A35"},  {0x41, 0xD05, "Cortex-A55"},
    {0x41, 0xD07, "Cortex-A57"},  {0x41, 0xD08, "Cortex-A72"},  {0x41, 0xD09, "Cortex-A73"},
    {0x41, 0xD0A, "Cortex-A75"},  {0x41, 0xD0B, "Cortex-A76"},  {0x41, 0xD0C, "Neoverse N1"},
    {0x41, 0xD40, "Neoverse V1"}, {0x41, 0xD49, "Neoverse N2"}, {0x41, 0xD4F, "Neoverse V2"},
};

struct vendor {
    uint8_t implementer;
    const char *name;
};

static const struct vendor vendors[] = {
    {0x41, "Arm"},       {0x42, "Broadcom"},  {0x43, "Cavium"},   {0x46, "Fujitsu"},
    {0x48, "HiSilicon"}, {0x4E, "NVIDIA"},    {0x51, "Qualcomm"}, {0x53, "Samsung"},
    {0x61, "Apple"},     {0x6D, "Microsoft"}, {0xC0, "Ampere"},   {0x00, "emulated"}, /* 0: reserved for software */
};

static void copy_name(char *to, size_t size, const char *name)
{
    for (size_t i = 0; i + 1 < size && name[i]; i++) {
        to[i] = name[i];
    }
}

/* MIDR_EL1: implementer in bits 31 to 24, variant in 23 to 20, part number in 15 to 4, revision in 3 to 0. */
static void detect_part(struct kg_cpu *cpu)
{
    uint64_t midr;
    __asm__("mrs %0, midr_el1" : "=r"(midr));
    cpu->family = (uint32_t)(midr >> 24) & 0xFF;
    cpu->model = (uint32_t)(midr >> 4) & 0xFFF;
    cpu->stepping = (uint32_t)((midr >> 20 & 15) << 4 | (midr & 15));
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        if (vendors[i].implementer == cpu->family) {
            copy_name(cpu->vendor, sizeof cpu->vendor, vendors[i].name);
        }
    }
    if (!cpu->vendor[0]) {
        copy_name(cpu->vendor, sizeof cpu->vendor, "unknown");
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].implementer == cpu->family && parts[i].number == cpu->model) {
            copy_name(cpu->brand, sizeof cpu->brand, parts[i].name);
        }
    }
}

#define CHAIN 256u /* operations that wait for each other */
#define EIGHT(text) text text text text text text text text
#define CHAIN_TICKS(ticks, operation)                                                                               \
    do {                                                                                                            \
        uint64_t begin, end, left = CHAIN;                                                                          \
        __asm__ volatile("movi v0.4s, #0\n\tmov x9, #3\n\tisb\n\tmrs %0, cntvct_el0\n"                              \
                         "1:\n\t" EIGHT(operation "\n\t") "subs %2, %2, #8\n\tb.ne 1b\n\tisb\n\tmrs %1, cntvct_el0" \
                         : "=&r"(begin), "=&r"(end), "+r"(left)                                                     \
                         :                                                                                          \
                         : "x9", "v0", "cc", "memory");                                                             \
        ticks = end - begin < ticks ? end - begin : ticks;                                                          \
    } while (0)

/* No register tells TCG from a processor, but the time does: there a multiplication is one instruction of the host, and
 * four additions of floats are a function call, 30 to 100 times as long; on processors both take about the same. The
 * shortest of some tries, since a try may be interrupted. */
static bool is_slow_at_floats(void)
{
    uint64_t floats = UINT64_MAX, integers = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        CHAIN_TICKS(floats, "fadd v0.4s, v0.4s, v0.4s");
        CHAIN_TICKS(integers, "mul x9, x9, x9");
    }
    return floats > 8 * integers + 8;
}

void kg_cpu_detect(struct kg_cpu *cpu)
{
    uint64_t id[N_ID_REGISTERS];
    memset(cpu, 0, sizeof *cpu);
    __asm__("mrs %0, id_aa64pfr0_el1" : "=r"(id[ID_PFR0]));
    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(id[ID_ISAR0]));
    __asm__("mrs %0, id_aa64isar1_el1" : "=r"(id[ID_ISAR1]));
    detect_part(cpu);
    cpu->features = is_slow_at_floats() ? KG_CPU_EMULATED : 0;
    cpu->features |= ID_FIELD(id[ID_PFR0], NEON_SHIFT) != NO_NEON ? KG_CPU_NEON : 0;
    for (size_t i = 0; i < sizeof feature_fields / sizeof feature_fields[0]; i++) {
        const struct feature_field *field = &feature_fields[i];
        cpu->features |= ID_FIELD(id[field->reg], field->shift) >= field->least ? field->feature : 0;
    }
}

bool kg_cpu_is_emulated(uint32_t features)
{
    return features & KG_CPU_EMULATED;
}

bool kg_sha256_has_instructions(uint32_t features)
{
    return features & KG_CPU_SHA2;
}
