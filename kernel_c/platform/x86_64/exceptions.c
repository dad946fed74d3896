/* Reports an exception as a panic: its name, its details, and the registers. */
#include "exceptions.h"

#include "interrupts.h"
#include "io.h"
#include "platform/common/panic.h"

#define N_REGISTERS 18
#define VECTOR_PAGE_FAULT 14

static const struct {
    const char *mnemonic, *name;
} exceptions[KG_N_EXCEPTIONS] = {
    {"#DE", "divide error"},
    {"#DB", "debug exception"},
    {"NMI", "non-maskable interrupt"},
    {"#BP", "breakpoint"},
    {"#OF", "overflow"},
    {"#BR", "BOUND range exceeded"},
    {"#UD", "invalid opcode"},
    {"#NM", "device not available"},
    {"#DF", "double fault"},
    {"9", "coprocessor segment overrun"},
    {"#TS", "invalid TSS"},
    {"#NP", "segment not present"},
    {"#SS", "stack-segment fault"},
    {"#GP", "general protection"},
    {"#PF", "page fault"},
    {"15", "reserved"},
    {"#MF", "x87 floating-point error"},
    {"#AC", "alignment check"},
    {"#MC", "machine check"},
    {"#XM", "SIMD floating-point error"},
    {"#VE", "virtualization exception"},
    {"#CP", "control protection"},
    {"22", "reserved"},
    {"23", "reserved"},
    {"24", "reserved"},
    {"25", "reserved"},
    {"26", "reserved"},
    {"27", "reserved"},
    {"#HV", "hypervisor injection"},
    {"#VC", "VMM communication"},
    {"#SX", "security exception"},
    {"31", "reserved"},
};

static struct kg_register registers[N_REGISTERS];

static void collect_registers(const struct kg_frame *f)
{
    const char *const names[N_REGISTERS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",    "r8",
                                            "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rflags", "cs"};
    const uint64_t values[N_REGISTERS] = {f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi, f->rbp, f->rsp,    f->r8,
                                          f->r9,  f->r10, f->r11, f->r12, f->r13, f->r14, f->r15, f->rflags, f->cs};
    for (int i = 0; i < N_REGISTERS; i++) {
        registers[i].name = names[i];
        registers[i].value = values[i];
    }
}

_Noreturn void kg_exception(const struct kg_frame *frame)
{
    static struct kg_panic panic;
    kg_panic_begin();
    panic.vector = (int)frame->vector;
    panic.mnemonic = exceptions[frame->vector].mnemonic;
    panic.message = exceptions[frame->vector].name;
    panic.error = frame->error;
    panic.at = frame->rip;
    panic.frame_pointer = frame->rbp;
    panic.touched_by = "cr2";
    if (frame->vector == VECTOR_PAGE_FAULT) {
        panic.touched = kg_read_cr2();
        panic.message = kg_panic_of_access(panic.touched, frame->error & 16, (frame->error & 3) == 3);
    }
    collect_registers(frame);
    panic.registers = registers;
    panic.n_registers = N_REGISTERS;
    kg_panic_report(&panic);
}
