#include "ramfb.h"

#include "fw_cfg.h"
#include "platform/common/machine.h"
#include "platform/common/memory.h"

const char kg_screen_advice[] = "in QEMU: -device ramfb";

#define WIDTH 1024u
#define HEIGHT 768u
#define PIXEL 4u
#define XRGB8888 0x34325258u /* "XR24", as Linux's drm_fourcc.h names it */

#define MEMORY_PART 8 /* a screen takes at most this part of the memory */

/* The file etc/ramfb. Numbers are big-endian. */
struct place {
    uint64_t address;
    uint32_t format, flags, width, height, pitch;
} __attribute__((packed));

bool kg_ramfb_start(const struct kg_range *fw_cfg, struct kg_framebuffer *framebuffer)
{
    static struct place place __attribute__((aligned(16)));
    const uint64_t size = (uint64_t)WIDTH * HEIGHT * PIXEL;
    bool affordable = size <= kg_memory_total() / MEMORY_PART;
    uint32_t key = fw_cfg->size && affordable ? kg_fw_cfg_find(fw_cfg, "etc/ramfb", sizeof place) : 0;
    void *pixels = key ? kg_memory_pages(size / KG_PAGE) : NULL;
    if (!pixels) {
        return false;
    }
    place = (struct place){.address = __builtin_bswap64((uintptr_t)pixels),
                           .format = __builtin_bswap32(XRGB8888),
                           .width = __builtin_bswap32(WIDTH),
                           .height = __builtin_bswap32(HEIGHT),
                           .pitch = __builtin_bswap32(WIDTH * PIXEL)};
    *framebuffer = (struct kg_framebuffer){
        .type = KG_FRAMEBUFFER_RGB,
        .base = (uintptr_t)pixels,
        .is_memory = true,
        .format = {WIDTH * PIXEL, WIDTH, HEIGHT, 32, 16, 8, 8, 8, 0, 8},
    };
    return kg_fw_cfg_write(fw_cfg, key, &place, sizeof place);
}
