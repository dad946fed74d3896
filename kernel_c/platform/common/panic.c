/* A panic prints what happened where, for people and for the machine channel, and ends the machine with KG_EXIT_FAILED. It
 * trusts nothing: a panic inside the panic ends at once. */
#include "panic.h"

#include "kgpt/event.h"
#include "kgpt/format.h"
#include "kgpt/platform.h"
#include "platform/x86_64/io.h"
#include "platform/x86_64/smp.h"
#include "screen.h"

#define MAX_DEPTH 24
#define N_REGISTERS 18
#define VECTOR_PAGE_FAULT 14

extern char kg_text_start[], kg_text_end[];

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

struct report {
    int vector; /* -1: a check in our own code failed */
    const char *mnemonic, *message;
    uint64_t error, rip, cr2;
    uint32_t cpu;
    struct kg_stacks stacks;
    const struct kg_frame *frame; /* NULL without an exception */
    uint64_t backtrace[MAX_DEPTH];
    unsigned depth;
};

static bool in_stack(const struct kg_stacks *s, uint64_t address)
{
    return (address >= s->guard + 4096 && address + 16 <= s->top) ||
           (address >= s->interrupt_guard + 4096 && address + 16 <= s->interrupt_top);
}

static bool in_text(uint64_t address)
{
    return address >= (uintptr_t)kg_text_start && address < (uintptr_t)kg_text_end;
}

/* Follows the saved frame pointers; stops at the first that leaves the stacks, goes down, or returns outside the text. */
static void walk(struct report *report, uint64_t rip, uint64_t rbp)
{
    report->backtrace[report->depth++] = rip;
    while (report->depth < MAX_DEPTH && rbp % 8 == 0 && in_stack(&report->stacks, rbp)) {
        const uint64_t *saved = (const uint64_t *)rbp;
        if (!in_text(saved[1])) {
            return;
        }
        report->backtrace[report->depth++] = saved[1];
        if (saved[0] <= rbp) {
            return;
        }
        rbp = saved[0];
    }
}

static const char *describe_page_fault(const struct kg_frame *frame, uint64_t cr2, const struct kg_stacks *stacks)
{
    if (cr2 >= stacks->guard && cr2 < stacks->guard + 4096) {
        return "page fault: stack overflow";
    }
    if (frame->error & 16) {
        return "page fault: executed data";
    }
    if (cr2 < 4096) {
        return "page fault: null pointer";
    }
    if ((frame->error & 3) == 3) {
        return "page fault: wrote to read-only memory";
    }
    return "page fault";
}

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

static void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print_line(const char *format, ...)
{
    static char line[256];
    va_list arguments;
    va_start(arguments, format);
    size_t n = kg_vformat(line, sizeof line, format, arguments);
    va_end(arguments);
    plat_write(line, kg_format_stored(n, sizeof line));
}

static void print_report(const struct report *report)
{
    if (!report->frame) {
        print_line("\nkgpt: panic: %s (cpu %u)\n", report->message, report->cpu);
    } else {
        print_line("\nkgpt: panic: %s (%s), error 0x%llx, at 0x%llx, cr2 0x%llx, cpu %u\n", report->mnemonic,
                   report->message, (unsigned long long)report->error, (unsigned long long)report->rip,
                   (unsigned long long)report->cr2, report->cpu);
        for (int i = 0; i < N_REGISTERS; i++) {
            print_line("%6s %016llx%s", registers[i].name, (unsigned long long)registers[i].value,
                       i % 3 == 2 ? "\n" : " ");
        }
    }
    print_line("kgpt: back-trace:");
    for (unsigned i = 0; i < report->depth; i++) {
        print_line(" 0x%llx", (unsigned long long)report->backtrace[i]);
    }
    print_line("\n");
}

static void emit_report(const struct report *report)
{
    KG_WRITE_EVENT(plat_event, panic, .vector = report->vector, .name = report->mnemonic, .error = report->error,
                   .message = report->message, .rip = report->rip, .cr2 = report->cr2, .cpu = report->cpu,
                   .registers = {registers, report->frame ? N_REGISTERS : 0},
                   .backtrace = {report->backtrace, report->depth});
    KG_WRITE_EVENT(plat_event, exit, .code = KG_EXIT_FAILED, .reason = "panic");
}

#define NOBODY UINT32_MAX

static uint32_t panicking = NOBODY; /* the number of a processor */

void kg_panic_check(void)
{
    if (__atomic_load_n(&panicking, __ATOMIC_RELAXED) != NOBODY) {
        kg_halt();
    }
}

/* One processor reports; a second one that panics leaves it to the first. */
static void begin(struct report *report)
{
    uint32_t before = NOBODY, own = kg_smp_number();
    kg_interrupts_off();
    if (!__atomic_compare_exchange_n(&panicking, &before, own, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (before != own) {
            kg_halt();
        }
        kg_screen_off(); /* perhaps it was the drawing of the first one */
        plat_exit(KG_EXIT_FAILED);
    }
    kg_screen_panic();
    report->cpu = own;
    report->stacks = kg_smp_stacks();
}

_Noreturn static void finish(const struct report *report)
{
    emit_report(report); /* first: it needs the least to work */
    print_report(report);
    plat_exit(KG_EXIT_FAILED);
}

_Noreturn void kg_panic_exception(const struct kg_frame *frame)
{
    static struct report report;
    begin(&report);
    report.vector = (int)frame->vector;
    report.mnemonic = exceptions[frame->vector].mnemonic;
    report.message = exceptions[frame->vector].name;
    report.error = frame->error;
    report.rip = frame->rip;
    report.frame = frame;
    if (frame->vector == VECTOR_PAGE_FAULT) {
        report.cr2 = kg_read_cr2();
        report.message = describe_page_fault(frame, report.cr2, &report.stacks);
    }
    collect_registers(frame);
    walk(&report, frame->rip, frame->rbp);
    finish(&report);
}

_Noreturn void plat_panic(const char *message)
{
    static struct report report;
    uint64_t rip = (uintptr_t)__builtin_return_address(0);
    begin(&report);
    report.vector = -1;
    report.mnemonic = "panic";
    report.message = message;
    report.rip = rip;
    const uint64_t *own = __builtin_frame_address(0);
    walk(&report, rip, own[0]);
    finish(&report);
}
