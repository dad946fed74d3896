/* A panic reports what happened and where, to people and to the machine channel, and ends the machine with
 * KG_EXIT_FAILED. It relies on no state: a panic within a panic ends at once. */
#include "panic.h"

#include "kgpt/event.h"
#include "kgpt/format.h"
#include "kgpt/platform.h"
#include "processor.h"
#include "screen.h"

#define MAX_DEPTH 24

extern char kg_image_start[], kg_text_start[], kg_text_end[];

static uint64_t backtrace[MAX_DEPTH];
static unsigned depth;

static bool in_stack(const struct kg_stacks *s, uint64_t address)
{
    return (address >= s->guard + 4096 && address + 16 <= s->top) ||
           (address >= s->interrupt_guard + 4096 && address + 16 <= s->interrupt_top);
}

static bool in_text(uint64_t address)
{
    return address >= (uintptr_t)kg_text_start && address < (uintptr_t)kg_text_end;
}

/* Follows the saved frame pointers. Stops at a frame outside the stacks, at a lower address, or with a return
 * address outside the text. */
static void walk_frames(uint64_t at, uint64_t frame_pointer)
{
    struct kg_stacks stacks = kg_processor_stacks();
    backtrace[depth++] = at;
    while (depth < MAX_DEPTH && frame_pointer % 8 == 0 && in_stack(&stacks, frame_pointer)) {
        const uint64_t *saved = (const uint64_t *)frame_pointer;
        if (!in_text(saved[1])) {
            return;
        }
        backtrace[depth++] = saved[1];
        if (saved[0] <= frame_pointer) {
            return;
        }
        frame_pointer = saved[0];
    }
}

static void print_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print_panic(const char *format, ...)
{
    static char line[256];
    va_list arguments;
    va_start(arguments, format);
    size_t n = kg_vformat(line, sizeof line, format, arguments);
    va_end(arguments);
    plat_write(line, kg_format_stored(n, sizeof line));
}

static void print_report(const struct kg_panic *panic, uint32_t cpu)
{
    if (!panic->registers) {
        print_panic("\nkgpt: panic: %s (cpu %u)\n", panic->message, cpu);
    } else {
        print_panic("\nkgpt: panic: %s (%s), error 0x%llx, at 0x%llx, %s 0x%llx, cpu %u\n", panic->mnemonic,
                    panic->message, (unsigned long long)panic->error, (unsigned long long)panic->at, panic->touched_by,
                    (unsigned long long)panic->touched, cpu);
        for (uint32_t i = 0; i < panic->n_registers; i++) {
            print_panic("%6s %016llx%s", panic->registers[i].name, (unsigned long long)panic->registers[i].value,
                        i % 3 == 2 ? "\n" : " ");
        }
    }
    print_panic("kgpt: back-trace:");
    for (unsigned i = 0; i < depth; i++) {
        print_panic(" 0x%llx", (unsigned long long)backtrace[i]);
    }
    print_panic("\n");
}

static void emit_report(const struct kg_panic *panic, uint32_t cpu)
{
    plat_event_break();
    KG_WRITE_EVENT(plat_event, panic, .vector = panic->vector, .name = panic->mnemonic, .error = panic->error,
                   .message = panic->message, .rip = panic->at, .cr2 = panic->touched, .cpu = cpu,
                   .registers = {panic->registers, panic->n_registers}, .backtrace = {backtrace, depth},
                   .base = (uintptr_t)kg_image_start);
    KG_WRITE_EVENT(plat_event, exit, .code = KG_EXIT_FAILED, .reason = "panic");
}

#define NOBODY UINT32_MAX

static uint32_t panicking = NOBODY; /* number of the processor */

void kg_panic_check(void)
{
    if (__atomic_load_n(&panicking, __ATOMIC_RELAXED) != NOBODY) {
        kg_processor_halt();
    }
}

/* One processor reports. Another one that panics halts. */
void kg_panic_begin(void)
{
    uint32_t before = NOBODY, own = kg_processor_number();
    kg_processor_interrupts_off();
    if (!__atomic_compare_exchange_n(&panicking, &before, own, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (before != own) {
            kg_processor_halt();
        }
        kg_screen_off(); /* the cause of the first panic may be the drawing */
        plat_exit(KG_EXIT_FAILED);
    }
    kg_screen_panic();
}

const char *kg_panic_of_access(uint64_t address, bool executed, bool wrote)
{
    uintptr_t guard = kg_processor_stacks().guard;
    if (address >= guard && address < guard + 4096) {
        return "page fault: stack overflow";
    }
    if (executed) {
        return "page fault: executed data";
    }
    if (address < 4096) {
        return "page fault: null pointer";
    }
    return wrote ? "page fault: wrote to read-only memory" : "page fault";
}

_Noreturn void kg_panic_report(const struct kg_panic *panic)
{
    uint32_t cpu = kg_processor_number();
    walk_frames(panic->at, panic->frame_pointer);
    emit_report(panic, cpu); /* first: it depends on the least */
    print_report(panic, cpu);
    plat_exit(KG_EXIT_FAILED);
}

_Noreturn void plat_panic(const char *message)
{
    static struct kg_panic panic;
    uint64_t at = (uintptr_t)__builtin_return_address(0);
    const uint64_t *own = __builtin_frame_address(0);
    kg_panic_begin();
    panic = (struct kg_panic){.vector = -1, .mnemonic = "panic", .message = message, .at = at, .frame_pointer = own[0]};
    kg_panic_report(&panic);
}
