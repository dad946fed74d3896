/* The contract between a platform and the code above it. platform/pc with platform/x86_64 (bare machine) and
 * platform/linux (hosted process) implement it. The code above does not depend on the platform. See
 * docs/platform.md. */
#ifndef KGPT_PLATFORM_H
#define KGPT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/cpu.h"
#include "kgpt/error.h"
#include "kgpt/status.h"
#include "kgpt/voice.h"

#define KG_FILES_MAX 64 /* a loader that passes more is refused */

/* A file from the loader: a boot module, or an argument of the hosted program. The reader of the file owns its
 * memory and may write to it. */
struct kg_file {
    const char *name;  /* as the loader gave it */
    const char *words; /* the words after the name, as the loader gave them; "" if there are none */
    const void *data;
    size_t size;
    bool checked; /* the loader compared the SHA-256 in the words while it read the file */
};

struct kg_platform_info {
    const char *platform; /* "x86_64", "aarch64" or "linux" */
    const char *loader;   /* "pvh", "multiboot1", "multiboot2", "uefi", "linux" or "process" */
    const char *excess;   /* what exceeded the limits of a table (modules, memory map …); NULL: nothing */
    const char *cmdline;  /* as the loader gave it, NUL-terminated, never NULL */
    const struct kg_cpu *cpu;
    uint64_t memory_total; /* usable bytes that the loader reported */
    void *arena;           /* the largest free region, 64-byte aligned */
    size_t arena_size;     /* bytes */
    bool arena_is_zero;    /* its memory is zero, and comes into being when it is used */
    const struct kg_file *files;
    size_t n_files;
    uint64_t ticks_entry; /* plat_ticks() at the kernel's first instruction */
    const char *serial;   /* the name of the serial port; NULL: none responds */
    bool has_screen;      /* a screen exists */
    /* What to do if there is no screen, although this loader normally passes one; NULL: nothing is amiss. */
    const char *screen_advice;
    bool has_keyboard; /* a keyboard responds */
    bool has_input;    /* a keyboard, serial port or terminal can be read */
    bool is_typed;     /* a person may type the input: it is not a pipe */
    /* "1024x768x32", "text 80x25", or "" without a screen. plat_screen_use(KG_SCREEN_OFF) does not change it. */
    const char *screen_mode;
};

/* The processors of the machine, or the threads of the process. */
struct kg_cpus {
    uint32_t found;   /* processors that the machine reports; 1 if it reports none */
    uint32_t started; /* processors that plat_parallel uses, including the one that runs kg_main: at least 1 */
    const char *by;   /* "xapic", "x2apic", "threads"; "" if no other processor was started */
    const char *note; /* why fewer were started than requested; "" if all were */
};

#define KG_READ_NONE (-1) /* no input yet */
#define KG_READ_END (-2)  /* input has ended, or there is no input device */
/* Codes below KG_READ_END end the run. */
#define KG_READ_OFF (-3)     /* the power button was pressed */
#define KG_READ_RESTART (-4) /* Ctrl-Alt-Del */

void plat_write(const char *text, size_t n); /* to the console: serial port and screen; "\n" ends a line */
int plat_read(void);                         /* one byte 0..255, or one of KG_READ_; does not block */
void plat_relax(void);                       /* call it between two reads that found nothing */
/* Switches on bracketed paste until the run ends. `answer`: also request a status report from the terminal. */
void plat_ask_terminal(bool answer);
bool plat_has_events(void);                   /* true if the machine channel has a reader */
void plat_event(const char *bytes, size_t n); /* to the machine channel; discarded without a reader */
void plat_event_break(void);                  /* for a panic: ends the line of the channel that it interrupted */
uint64_t plat_ticks(void);                    /* monotonic: the TSC, or nanoseconds */
uint64_t plat_ticks_hz(void);                 /* frequency of plat_ticks, calibrated at first use; 0 if unknown */
/* Counts the SMIs (system management interrupts) since the last reset. Returns why they cannot be counted, or NULL. */
const char *plat_smis(uint64_t *count);
uint64_t plat_switches(void);          /* how often another task has taken a processor from this process; bare: 0 */
uint64_t plat_time(void);              /* seconds since 1970, UTC; 0: unknown */
const char *plat_clock(void);          /* source of the frequency: "cpuid", "hpet", "system", …; "" if unknown */
void plat_clock_use(const char *name); /* before the first use: use only this source; keeps the pointer */
bool plat_entropy(uint64_t *value);    /* false: the only source was the clock */
bool plat_fault(const char *kind);     /* causes a fault on purpose (`fault=`). true: later; false: unknown kind */
_Noreturn void plat_panic(const char *message); /* prints, sends `panic`, ends with KG_EXIT_FAILED */
_Noreturn void plat_exit(enum kg_exit code);    /* ends the run by debug exit, power off, or halt */
/* From now on plat_exit may power off a machine that a person uses. */
void plat_off_at_exit(void);
_Noreturn void plat_reboot(void);

/* Writes a text with a voice. Terminal and screen show control characters as escapes, wrap at words, and colour the
 * user's input. A pipe gets the bytes unchanged. */
void plat_text(enum kg_voice voice, const char *text, size_t n);

/* Shows a short ASCII progress message until the next text. Only on a terminal or screen. */
void plat_notice(const char *text, size_t n);

enum kg_output {
    KG_OUTPUT_AUTO,  /* the platform's own detection; a serial port counts as KG_OUTPUT_PLAIN */
    KG_OUTPUT_PLAIN, /* perhaps a terminal, without colours */
    KG_OUTPUT_COLOR,
    KG_OUTPUT_RAW, /* a pipe */
};

/* Configures the serial port or standard output: the kind of its reader, and the reader's columns (0: unknown, so
 * words are not wrapped). */
void plat_output(enum kg_output output, uint32_t columns);

/* Starts processors until `most` run (0: all). Their stacks come from `arena` and stay allocated. Only the first
 * call has an effect. Before it, only the processor of kg_main runs, and no others were enumerated. */
struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena);

/* Runs `work` on every started processor, as worker 0 (the caller) to workers - 1, and returns when all have
 * returned. Idle workers sleep. Of the platform `work` may call plat_ticks only. */
void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context);

/* Sets the status line at the bottom of the screen: UTF-8 without escape sequences, truncated to fit. Ignored
 * without a screen; never written to a serial port. */
void plat_status(const char *text, size_t n);

/* Writes whole lines to the screen alone: UTF-8 with colours (SGR). Ignored without a screen. */
void plat_screen_text(const char *text, size_t n);

/* Pixels 0x00RRGGBB, row by row from the top left. As wide as the text. */
struct kg_picture {
    uint32_t *pixels;
    uint32_t width, height;
    size_t stride; /* in pixels */
};

/* Reserves `percent` (1 to 90) of the screen's height above the text for a picture, initially black. Its memory
 * comes from `arena` and stays allocated. Returns false if the screen has no pixels or the arena is full. */
bool plat_picture_open(struct kg_picture *picture, uint32_t percent, struct kg_arena *arena);
void plat_picture_show(void);  /* copies the picture to the screen */
void plat_picture_close(void); /* the text gets the whole screen again */

enum kg_screen_use {
    KG_SCREEN_AUTO,
    KG_SCREEN_OFF,  /* no further drawing */
    KG_SCREEN_SAFE, /* no write-combining, and scale 1 unless `scale` is given */
};

/* Applies the screen settings of the command line. `scale`: pixels per dot of the font, 1 to 8; 0: chosen by
 * resolution. Clears the screen if a setting changes. */
void plat_screen_use(enum kg_screen_use use, uint32_t scale);

/* Devices on a bus (kgpt/device.h). */
enum kg_pci_use {
    KG_PCI_AUTO,
    KG_PCI_OFF, /* do not enumerate */
    KG_PCI_ALL, /* include buses without a bridge that leads to them; AUTO skips these in virtual machines */
};
void plat_pci_use(enum kg_pci_use use); /* before the first use */
void plat_disks_off(void);              /* leave all disks alone; before the first use */

void plat_net_off(void); /* before the first use: network cards are left alone */
void plat_usb_off(void); /* before the first use: USB controllers are left alone */

/* Chooses the layout of the machine's keyboards. False: this kernel does not have it. */
bool plat_keymap(const char *name);

/* True if a keyboard may answer later, or has: a USB controller is in use. Looks for devices. */
bool plat_awaits_keyboard(void);

/* What follows "no keyboard was found", if the machine has none of its own: which ones may answer yet, or nothing.
 * NULL: one on a bus works. Looks for devices. */
const char *plat_keyboards_awaited(void);

/* Calls the drivers' poll functions: between the layers of a forward pass, and while the kernel waits for input. */
void plat_poll(void);

/* Only of a process (a kernel has its own network: app/server/link/network.c). Connections of clients to TCP port
 * `port` (kgpt/connections.h); with 0 the platform chooses one. Memory comes from `arena` and stays allocated. To be
 * called once for each of at most two ports, whose connections `poll` and `wait` together. Returns NULL and why
 * there are none. */
struct kg_connections;
const struct kg_connections *plat_connections(uint32_t port, struct kg_arena *arena, struct kg_error *error);

/* Only of a process: connections to servers (kgpt/dial.h), over its host's sockets. It resolves no names. */
struct kg_dial;
const struct kg_dial *plat_dial(void);

/* RAM outside the arena, because it is not contiguous with it. Page tables and DMA memory of devices come from it. */
struct kg_outside {
    uint64_t size, used; /* bytes */
};
struct kg_outside plat_outside(void);

/* The application. The platform calls it once, when the machine is ready. Returns the code for plat_exit. */
enum kg_exit kg_main(const struct kg_platform_info *info);

#endif
