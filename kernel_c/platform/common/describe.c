#include "describe.h"

#include "machine.h"
#include "memory.h"
#include "screen.h"

static struct kg_platform_info platform;
static struct kg_file files[KG_FILES_MAX];

const struct kg_platform_info *kg_describe_platform(const char *name, const struct kg_boot *boot,
                                                    const struct kg_cpu *cpu)
{
    platform.platform = name;
    platform.loader = boot->loader;
    platform.excess = boot->excess;
    platform.cmdline = boot->cmdline;
    platform.cpu = cpu;
    platform.memory_total = kg_memory_total();
    platform.arena = kg_memory_arena(&platform.arena_size);
    platform.files = files;
    platform.n_files = boot->n_modules;
    for (size_t i = 0; i < boot->n_modules; i++) {
        const struct kg_module *module = &boot->modules[i];
        files[i] =
            (struct kg_file){module->name, module->words, (const void *)module->base, module->size, module->checked};
    }
    platform.ticks_entry = kg_ticks_entry;
    platform.serial = kg_serial_present() ? kg_serial_name : NULL;
    platform.screen_mode = kg_screen_mode();
    platform.has_screen = platform.screen_mode[0] != '\0';
    platform.screen_advice = boot->for_people && !platform.has_screen ? kg_screen_advice : NULL;
    platform.has_keyboard = kg_keyboard_present();
    platform.has_input = platform.serial != NULL || platform.has_keyboard;
    platform.is_typed = platform.has_input;
    return &platform;
}
