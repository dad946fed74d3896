/* Processors, APIC, MTRRs, worker threads and idle loop on simulated processors, for ctypes. The test implements
 * MSRs. */
#include "../../kernel_c/platform/x86_64/io.h"

#include <stddef.h>

#include "kgpt/platform.h"

typedef uint64_t read_msr_fn(uint32_t index);
typedef void write_msr_fn(uint32_t index, uint64_t value);

static read_msr_fn *read_msr;
static write_msr_fn *write_msr;
static uint64_t in_cr0, in_cr4, now, slept, interrupted_at;
static void *woken[5];

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    (void)leaf;
    (void)subleaf;
    r[0] = r[1] = 0;
    r[2] = r[3] = UINT32_MAX; /* all features are supported */
}

/* The timer interrupts from `interrupted_at` on, if a processor is awake. */
static void pass_time(void);

static void fake_sleep(void)
{
    slept++;
    if (interrupted_at == UINT64_MAX) {
        __builtin_longjmp(woken, 1);
    }
    now += 1000;
}

static uint64_t fake_tsc(void)
{
    pass_time();
    return now;
}

#define kg_rdmsr(index) read_msr(index)
#define kg_wrmsr(index, value) write_msr(index, value)
#define kg_read_cr0() in_cr0
#define kg_write_cr0(value) (in_cr0 = (value))
#define kg_read_cr3() 0
#define kg_write_cr3(value) ((void)(value))
#define kg_read_cr4() in_cr4
#define kg_write_cr4(value) (in_cr4 = (value))
#define kg_wbinvd() ((void)0)
#define kg_cpuid fake_cpuid
#define kg_rdtsc fake_tsc
#define kg_sleep fake_sleep
#define kg_pause() pass_time()
#define kg_interrupts_on() ((void)0)
#define kg_outb(port, value) ((void)(port), (void)(value))
#include "../../kernel_c/platform/x86_64/apic.c"
#undef MSR_APIC_BASE
#undef CPUID1_EDX_APIC
#undef MAX_SPINS
#include "../../kernel_c/platform/common/parallel.c"
#include "../../kernel_c/platform/x86_64/mtrr.c"
#include "../../kernel_c/platform/x86_64/processor.c"
#define prepare_8259 idle_prepare_8259
#define kg_apic_init(largest) ((void)(largest), NULL)
#define kg_apic_timer(count) ((void)(count))
#define kg_apic_timer_left() (UINT32_MAX - (uint32_t)now)
#include "../../kernel_c/platform/pc/idle.c"
#undef kg_apic_init

static void pass_time(void)
{
    now += 1000;
    kg_timer_ticks += now >= interrupted_at;
}

uint64_t kg_ticks_entry;
volatile bool kg_serial_woke;

uint64_t plat_ticks(void)
{
    return fake_tsc();
}

uint64_t plat_ticks_hz(void)
{
    return 1000000000;
}

bool kg_serial_present(void)
{
    return true;
}

void kg_serial_keep(void)
{
}

void kg_serial_flush(void)
{
}

void kg_serial_listen(void)
{
}

void kg_i8042_keep(void)
{
}

bool kg_paging_device(uint64_t page)
{
    (void)page;
    return true;
}

void kg_fault_on_processor(void)
{
}

void kg_panic_check(void)
{
}

void driver_use_msrs(read_msr_fn *read, write_msr_fn *write);
void driver_use_msrs(read_msr_fn *read, write_msr_fn *write)
{
    read_msr = read;
    write_msr = write;
}

uint64_t driver_cr0(void);
uint64_t driver_cr0(void)
{
    return in_cr0;
}

static void count_call(void *context, uint32_t worker, uint32_t workers)
{
    (void)worker;
    (void)workers;
    ++*(uint32_t *)context;
}

/* How often the work of `before` sections runs when a processor is started after them and falls asleep. */
uint32_t driver_late_processor(uint32_t before);
uint32_t driver_late_processor(uint32_t before)
{
    static struct kg_worker late;
    static struct kg_worker *const workers[] = {&late};
    static uint32_t calls;
    calls = 0;
    late = (struct kg_worker){.number = 1};
    for (uint32_t i = 0; i < before; i++) {
        plat_parallel(count_call, &calls);
    }
    interrupted_at = UINT64_MAX;
    kg_parallel_init(workers, 1);
    if (__builtin_setjmp(woken) == 0) {
        kg_parallel_serve(&late);
    }
    return calls;
}

/* How often an idle processor sleeps until `until`, if its timer is not noticed before `heard` (nanoseconds). */
uint64_t driver_idle(uint64_t heard, uint64_t until);
uint64_t driver_idle(uint64_t heard, uint64_t until)
{
    slept = 0;
    interrupted_at = heard;
    while (now < until) {
        kg_idle();
    }
    return slept;
}
