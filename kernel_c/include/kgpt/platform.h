/* What a platform gives to the engine and the application: the whole of it. platform/x86_64 (the bare machine) and
 * platform/linux (a hosted process) implement it; nothing above knows which one it runs on. See docs/platform.md. */
#ifndef KGPT_PLATFORM_H
#define KGPT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/cpu.h"
#include "kgpt/status.h"
#include "kgpt/voice.h"

#define KG_FILES_MAX 64 /* that a loader can bring: more are refused */

/* A file that the loader brought along: a boot module, or an argument of the hosted program. Its memory can be written, and belongs to whoever
 * reads it. */
struct kg_file {
    const char *name;  /* as the loader gave it */
    const char *words; /* what the loader gave behind the name; "" if nothing */
    const void *data;
    size_t size;
};

struct kg_platform_info {
    const char *platform; /* "x86_64" or "linux" */
    const char *loader;   /* "pvh", "multiboot1", "multiboot2" or "process" */
    const char *excess;   /* the loader gave more than there is room for: what; NULL: it did not */
    const char *cmdline;  /* as the loader gave it, NUL-terminated, never NULL */
    const struct kg_cpu *cpu;
    uint64_t memory_total; /* usable bytes the loader reported */
    void *arena;           /* the largest free region, 64-byte aligned, not yet zeroed */
    size_t arena_size;     /* bytes */
    const struct kg_file *files;
    size_t n_files;
    uint64_t ticks_entry; /* plat_ticks() at the first instruction of ours */
    bool has_serial;      /* a serial port answered */
    bool has_screen;      /* a screen answered */
    bool misses_screen;   /* none did, and the loader is one that should have passed one on */
    bool has_keyboard;    /* a keyboard answered */
    bool has_input;       /* a keyboard, a serial port or a terminal can be read */
    bool is_typed;        /* … by which a person may type: it is no pipe */
    /* "1024x768x32", "text 80x25", or "" without a screen; plat_screen_use(KG_SCREEN_OFF) leaves it */
    const char *screen_mode;
};

/* The processors, or threads. */
struct kg_cpus {
    uint32_t found;   /* that the machine says it has; 1 if it does not say */
    uint32_t started; /* that plat_parallel uses, the one that runs kg_main included: at least 1 */
    const char *by;   /* how they are spoken to: "xapic", "x2apic", "threads"; "" if none was started */
    const char *note; /* why fewer were started than wanted; "" if none are missing */
};

#define KG_READ_NONE (-1) /* nothing typed yet */
#define KG_READ_END (-2)  /* input has ended, or there is no input device */
/* Less than KG_READ_END: the run shall end. */
#define KG_READ_OFF (-3)     /* the power button was pressed */
#define KG_READ_RESTART (-4) /* Ctrl-Alt-Del */

void plat_write(const char *text, size_t n); /* the console: serial port and screen, "\n" alone ends a line */
int plat_read(void);                         /* one byte 0..255, or one of KG_READ_; never waits */
void plat_relax(void);                       /* called between two reads that found nothing */
void plat_ask_terminal(bool answer); /* to mark what is pasted until the run ends, and to answer that it is there */
bool plat_has_events(void);          /* does anyone listen on the machine channel? */
void plat_event(const char *bytes, size_t n);   /* to the machine channel; dropped where nobody listens */
uint64_t plat_ticks(void);                      /* monotonic: the TSC, or nanoseconds */
uint64_t plat_ticks_hz(void);                   /* its frequency, calibrated at first use; 0 if it cannot be known */
const char *plat_clock(void);                   /* who told it: "cpuid", "hpet", "system", …; "" if it is not known */
void plat_clock_use(const char *name);          /* before the first use: ask only this one, whose name is kept */
bool plat_entropy(uint64_t *value);             /* false: only the clock was there to be asked */
bool plat_fault(const char *kind);              /* break something on purpose (`fault=`); true: later; false: unknown */
_Noreturn void plat_panic(const char *message); /* print, emit `panic`, end with KG_EXIT_FAILED */
_Noreturn void plat_exit(enum kg_exit code);    /* end the run: debug exit, power off, or halt, whatever there is */
void plat_off_at_exit(void); /* from now on plat_exit may switch off a machine that a person sits at */
_Noreturn void plat_reboot(void);

/* The same for a text that has a voice. On a terminal and on the screen its control characters are shown rather than obeyed, its words are
 * kept whole at the ends of lines, and what the user types has a colour. A pipe gets it as it is. */
void plat_text(enum kg_voice voice, const char *text, size_t n);

/* A few words in ASCII that go when the next text comes, for what takes long. Only where there is a terminal or a screen. */
void plat_notice(const char *text, size_t n);

enum kg_output {
    KG_OUTPUT_AUTO,  /* what the platform knows itself: a serial port is then as with KG_OUTPUT_PLAIN */
    KG_OUTPUT_PLAIN, /* a terminal, perhaps, but no colours */
    KG_OUTPUT_COLOR,
    KG_OUTPUT_RAW, /* a pipe */
};

/* What reads the serial port or the standard output, and how many columns it has; 0: that is not known, and no word is moved. */
void plat_output(enum kg_output output, uint32_t columns);

/* Starts processors until `most` run (0: all there are), with memory for their stacks from `arena`, which stays taken. Only the
 * first call does something; until then the one that runs kg_main is alone, and the machine was not searched for others. */
struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena);

/* Calls `work` on every started processor at once, as worker 0 (the caller) to workers - 1, and returns when all have returned.
 * Those that wait for the next call sleep. Not from within `work`, which may call no other function of the platform. */
void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context);

/* The line at the bottom of the screen, in UTF-8 without escape sequences, cut to fit. Dropped where there is no screen; a serial
 * port never gets it. */
void plat_status(const char *text, size_t n);

/* Pixels, 0x00RRGGBB, from left to right and from the top down, as wide as the text. */
struct kg_picture {
    uint32_t *pixels;
    uint32_t width, height;
    size_t stride; /* in pixels */
};

/* Gives `percent` (1 to 90) of the screen's height, above the text, to a black picture in memory from `arena`, which stays taken. False
 * where the screen has no pixels, or the arena no room. */
bool plat_picture_open(struct kg_picture *picture, uint32_t percent, struct kg_arena *arena);
void plat_picture_show(void);  /* what was drawn becomes visible */
void plat_picture_close(void); /* the text has the whole screen again */

enum kg_screen_use {
    KG_SCREEN_AUTO,
    KG_SCREEN_OFF,  /* nothing more is drawn */
    KG_SCREEN_SAFE, /* without write-combining, and not scaled unless `scale` says so */
};

/* What the command line says about the screen. `scale`: how many pixels wide a dot of the font is, 1 to 8; 0: by resolution. Clears the
 * screen if that changes it. */
void plat_screen_use(enum kg_screen_use use, uint32_t scale);

/* Devices on a bus (kgpt/device.h). */
enum kg_pci_use {
    KG_PCI_AUTO,
    KG_PCI_OFF, /* no device is looked for */
    KG_PCI_ALL, /* also on buses that no bridge leads to, which AUTO leaves out in virtual machines */
};
void plat_pci_use(enum kg_pci_use use); /* before the first use */

/* All devices that were found, linked by `next`; looks for them at the first call. */
struct kg_device;
const struct kg_device *plat_devices(void);

/* Lets the drivers work: between the layers of a forward pass, and while the kernel waits for input. */
void plat_poll(void);

/* RAM that the arena lacks because it does not lie in a row with it: page tables and devices take theirs there. */
struct kg_outside {
    uint64_t size, used; /* bytes */
};
struct kg_outside plat_outside(void);

/* The application, called once by the platform when the machine is ready. Returns the verdict for plat_exit. */
enum kg_exit kg_main(const struct kg_platform_info *info);

#endif
