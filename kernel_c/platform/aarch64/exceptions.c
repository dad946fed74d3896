/* Reports an exception as a panic: its class, its details, and the registers. */
#include "exceptions.h"

#include <stddef.h>

#include "platform/common/panic.h"

#define CLASS_INSTRUCTION_ABORT 0x21
#define CLASS_DATA_ABORT 0x25
#define CLASS_PC_ALIGNMENT 0x22
#define CLASS_SERROR 0x2F
#define CLASS_OTHER 0x40 /* above all classes: an interrupt that nobody asked for */

#define STATUS_MASK 0x3Cu /* of the fault status code, without the level */
#define STATUS_PERMISSION 0x0Cu
#define ABORT_WRITE (1u << 6)

/* ESR_EL1.EC: Arm Architecture Reference Manual, D19.2.40. */
static const struct {
    uint8_t class;
    const char *mnemonic, *name;
} exceptions[] = {
    {0x00, "UNDEF", "undefined instruction"},
    {0x07, "FP", "trapped floating point"},
    {0x0E, "ILLEGAL", "illegal execution state"},
    {0x15, "SVC", "supervisor call"},
    {0x18, "SYSREG", "trapped system register"},
    {CLASS_INSTRUCTION_ABORT, "IABORT", "instruction abort"},
    {CLASS_PC_ALIGNMENT, "PCALIGN", "misaligned program counter"},
    {CLASS_DATA_ABORT, "DABORT", "data abort"},
    {0x26, "SPALIGN", "misaligned stack pointer"},
    {0x2C, "FPEXC", "floating-point exception"},
    {CLASS_SERROR, "SERROR", "system error"},
    {0x3C, "BRK", "breakpoint instruction"},
    {CLASS_OTHER, "INTERRUPT", "unexpected interrupt"},
};

#define N_REGISTERS 33

static struct kg_register registers[N_REGISTERS];

static void list_registers(const struct kg_frame *frame)
{
    static const char *const names[N_REGISTERS] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",    "x6",  "x7",  "x8",
                                                   "x9",  "x10", "x11", "x12", "x13", "x14",   "x15", "x16", "x17",
                                                   "x18", "x19", "x20", "x21", "x22", "x23",   "x24", "x25", "x26",
                                                   "x27", "x28", "x29", "x30", "sp",  "pstate"};
    for (uint32_t i = 0; i < N_REGISTERS; i++) {
        registers[i].name = names[i];
        registers[i].value = i < 31 ? frame->x[i] : i == 31 ? frame->sp : frame->pstate;
    }
}

static uint32_t class_of(const struct kg_frame *frame, uint32_t kind)
{
    return kind == KG_SYNCHRONOUS ? frame->esr >> 26 & 0x3F : kind == KG_SERROR ? CLASS_SERROR : CLASS_OTHER;
}

_Noreturn void kg_exception(const struct kg_frame *frame, uint32_t kind)
{
    static struct kg_panic panic;
    kg_panic_begin();
    uint32_t class = class_of(frame, kind);
    panic.vector = (int)class;
    panic.mnemonic = "EXCEPTION";
    panic.message = "an exception of an unknown class";
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
        if (exceptions[i].class == class) {
            panic.mnemonic = exceptions[i].mnemonic;
            panic.message = exceptions[i].name;
        }
    }
    panic.error = frame->esr & 0x1FFFFFF;
    panic.at = frame->pc;
    panic.frame_pointer = frame->x[29];
    panic.touched_by = "far";
    if (class == CLASS_DATA_ABORT || class == CLASS_INSTRUCTION_ABORT) {
        bool denied = (panic.error & STATUS_MASK) == STATUS_PERMISSION, executed = class == CLASS_INSTRUCTION_ABORT;
        panic.touched = frame->far;
        panic.message =
            kg_panic_of_access(frame->far, denied && executed, denied && !executed && (panic.error & ABORT_WRITE));
    }
    list_registers(frame);
    panic.registers = registers;
    panic.n_registers = N_REGISTERS;
    kg_panic_report(&panic);
}
