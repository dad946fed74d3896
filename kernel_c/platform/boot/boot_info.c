/* Shared by the readers of boot protocols: copies into struct kg_boot. */
#include "boot.h"

/* Copies `from` to `to` (`size` bytes). Returns the number of bytes with the NUL; 0 if the text does not fit. */
static size_t copy_text(char *to, size_t size, const char *from)
{
    for (size_t n = 0; n < size; n++) {
        to[n] = from[n];
        if (from[n] == '\0') {
            return n + 1;
        }
    }
    to[size - 1] = '\0';
    return 0;
}

bool kg_boot_is_ram(const struct kg_boot *boot, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < boot->n_regions; i++) {
        const struct kg_region *region = &boot->regions[i];
        if (region->type == KG_REGION_RAM && from < region->base + region->size && region->base < to) {
            return true;
        }
    }
    return false;
}

void kg_boot_set_cmdline(struct kg_boot *boot, const char *text)
{
    while (*text == ' ') {
        text++;
    }
    if (!copy_text(boot->cmdline, sizeof boot->cmdline, text)) {
        boot->excess = "the command line is longer than 4095 bytes";
    }
}

void kg_boot_add_region(struct kg_boot *boot, uint64_t base, uint64_t size, uint32_t type)
{
    if (size == 0 || base + size < base) {
        return;
    }
    if (boot->n_regions == KG_BOOT_MAX_REGIONS) {
        boot->excess = "the memory map has more than 256 regions";
        return;
    }
    boot->regions[boot->n_regions++] = (struct kg_region){base, size, type};
}

void kg_boot_add_module(struct kg_boot *boot, uint64_t base, uint64_t size, const char *name)
{
    char *end = boot->names + boot->names_n;
    size_t n = copy_text(end, sizeof boot->names - boot->names_n, name);
    if (n == 0) {
        boot->excess = "the boot modules' words are longer than 8191 bytes";
    }
    if (boot->n_modules == KG_FILES_MAX) {
        boot->excess = "there are more than 64 boot modules";
    }
    if (boot->excess) {
        return;
    }
    struct kg_module *module = &boot->modules[boot->n_modules++];
    *module = (struct kg_module){base, size, end, end, false};
    boot->names_n += n;
    while (*end != '\0' && *end != ' ') {
        end++;
    }
    module->words = *end ? end + 1 : end;
    *end = '\0';
}

enum kg_framebuffer_type kg_boot_framebuffer_type(uint8_t type)
{
    return type == 1 ? KG_FRAMEBUFFER_RGB : type == 2 ? KG_FRAMEBUFFER_TEXT : KG_FRAMEBUFFER_UNKNOWN;
}

struct kg_pixel_format kg_boot_pixel_format(uint32_t pitch, uint32_t width, uint32_t height, uint8_t bpp,
                                            const uint8_t fields[6])
{
    return (struct kg_pixel_format){.pitch = pitch,
                                    .width = width,
                                    .height = height,
                                    .bpp = bpp,
                                    .red_position = fields[0],
                                    .red_size = fields[1],
                                    .green_position = fields[2],
                                    .green_size = fields[3],
                                    .blue_position = fields[4],
                                    .blue_size = fields[5]};
}
