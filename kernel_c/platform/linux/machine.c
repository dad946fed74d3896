/* Time, entropy, and the ways a run ends, good or bad. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kgpt/event.h"
#include "linux.h"
#include "processor.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* gcc's macros */
#define KG_SANITIZED 1
#elif defined(__has_feature) /* clang's */
#define KG_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define KG_SANITIZED 0
#endif

uint64_t plat_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t plat_ticks_hz(void)
{
    return 1000000000u;
}

uint64_t plat_time(void)
{
    return (uint64_t)time(NULL);
}

const char *plat_clock(void)
{
    return "system";
}

const char *plat_smis(uint64_t *count)
{
    (void)count;
    return "a process cannot read the counter";
}

uint64_t plat_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_nivcsw : 0;
}

void plat_clock_use(const char *name)
{
    (void)name; /* there is only one clock */
}

bool plat_entropy(uint64_t *value)
{
    return getrandom(value, sizeof *value, 0) == (ssize_t)sizeof *value;
}

/* The host owns the devices. */
void plat_pci_use(enum kg_pci_use use)
{
    (void)use;
}

void plat_disks_off(void)
{
}

void plat_net_off(void)
{
}

void plat_usb_off(void)
{
}

bool plat_keymap(const char *name)
{
    (void)name; /* the terminal has one */
    return true;
}

bool plat_awaits_keyboard(void)
{
    return false;
}

const char *plat_keyboards_awaited(void)
{
    return "";
}

void plat_poll(void)
{
}

struct kg_outside plat_outside(void)
{
    return (struct kg_outside){0, 0};
}

_Noreturn void plat_exit(enum kg_exit code)
{
    kg_linux_console_restore();
    exit((int)code);
}

void plat_off_at_exit(void)
{
}

_Noreturn void plat_reboot(void)
{
    plat_exit(KG_EXIT_OK);
}

/* vector -1: a failed check, not an exception. */
static void emit_panic(int vector, const char *name, const char *message, uint64_t rip, uint64_t address)
{
    plat_event_break();
    KG_WRITE_EVENT(plat_event, panic, .vector = vector, .name = name, .message = message, .rip = rip, .cr2 = address);
    KG_WRITE_EVENT(plat_event, exit, .code = KG_EXIT_FAILED, .reason = "panic");
}

static _Noreturn void end_in_panic(int vector, const char *name, const char *message, uint64_t rip, uint64_t address)
{
    char text[256];
    int n = snprintf(text, sizeof text, "\nkgpt: panic: %s %s, rip 0x%lx\n", name, message, (unsigned long)rip);
    plat_write(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    emit_panic(vector, name, message, rip, address);
    kg_linux_console_restore();
    _exit(KG_EXIT_FAILED);
}

_Noreturn void plat_panic(const char *message)
{
    end_in_panic(-1, "check", message, (uint64_t)(uintptr_t)__builtin_return_address(0), 0);
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    const struct kg_linux_fault *fault = kg_linux_faults;
    while (fault->signal_number != signal_number) { /* the handler is only for those of the table */
        fault++;
    }
    end_in_panic(fault->vector, fault->name, fault->message, kg_linux_program_counter(context),
                 (uint64_t)(uintptr_t)info->si_addr);
}

void kg_linux_signals_init(void)
{
    if (KG_SANITIZED) {
        return; /* the sanitizer's report has more details */
    }
    static char stack[64 * 1024]; /* a stack overflow must be reported on another stack */
    const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&alternative, NULL);
    for (const struct kg_linux_fault *fault = kg_linux_faults; fault->signal_number; fault++) {
        sigaction(fault->signal_number, &action, NULL);
    }
}

/* Exceeds the stack long before `depth` ends the recursion. */
static void linux_fault_stack(volatile char *above, unsigned depth)
{
    volatile char frame[4096];
    frame[0] = *above;
    if (depth) {
        linux_fault_stack(frame, depth - 1);
    }
    *above = frame[0]; /* work after the call prevents a tail call */
}

static void linux_fault_exec(void)
{
    /* in memory that is not executable */
    void *page = mmap(NULL, sizeof kg_linux_return, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, kg_linux_return, sizeof kg_linux_return);
    void (*function)(void);
    memcpy(&function, &page, sizeof function);
    function();
}

bool plat_fault(const char *kind)
{
    if (strcmp(kind, "exec") == 0) {
        linux_fault_exec();
    } else if (strcmp(kind, "stack") == 0) {
        char top = 0;
        linux_fault_stack(&top, UINT32_MAX);
    } else if (strcmp(kind, "hang") == 0) {
        for (;;) {
            pause();
        }
    } else if (strcmp(kind, "reset") == 0) {
        raise(SIGKILL); /* ends without an exit code of its own */
    } else if (strcmp(kind, "panic") == 0) {
        plat_panic("fault=panic was asked for");
    }
    return kg_linux_cause(kind) || kg_linux_fault_later(kind);
}
