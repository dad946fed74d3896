/* Chooses the screen's mode for the kernel: the same list as boot/grub.cfg, so both paths give the same picture. */
#include "screen.h"

struct picture_size {
    uint32_t width, height;
};

static const struct picture_size wanted_sizes[] = {
    {1920, 1080}, {1920, 1200}, {2560, 1440}, {2560, 1600}, {3840, 2160}, {1680, 1050},
    {1600, 900},  {1440, 900},  {1366, 768},  {1280, 1024}, {1280, 800},  {1024, 768},
};
static const struct picture_size safe_sizes[] = {{800, 600}, {640, 480}};

/* The number of the mode with this size and pixels that can be drawn; max_mode if there is none. */
static uint32_t mode_of_size(const struct kg_uefi *u, struct kg_efi_gop *gop, struct picture_size size)
{
    uint32_t mode = 0, n = gop->mode->max_mode < 256 ? gop->mode->max_mode : 256;
    for (; mode < n; mode++) {
        struct kg_efi_gop_info *info;
        uint64_t bytes;
        if (kg_efi_failed(gop->query_mode(gop, mode, &bytes, &info))) {
            continue;
        }
        bool fits =
            info->width == size.width && info->height == size.height && info->pixel_format < KG_EFI_PIXELS_BLT_ONLY;
        u->system->boot->free_pool(info);
        if (fits) {
            break;
        }
    }
    return mode < n ? mode : gop->mode->max_mode;
}

void kg_stick_picture(struct kg_uefi *u, bool safe)
{
    static const struct kg_efi_guid guid = KG_EFI_GOP_GUID;
    const struct picture_size *sizes = safe ? safe_sizes : wanted_sizes;
    size_t n = safe ? sizeof safe_sizes / sizeof safe_sizes[0] : sizeof wanted_sizes / sizeof wanted_sizes[0];
    struct kg_efi_gop *gop =
        u->system->console_out_handle ? kg_uefi_protocol(u, u->system->console_out_handle, &guid) : NULL;
    gop = gop ? gop : kg_uefi_protocol(u, NULL, &guid);
    if (!gop || !gop->mode || u->handover->boot.framebuffer.type == KG_FRAMEBUFFER_NONE) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t mode = mode_of_size(u, gop, sizes[i]);
        if (mode == gop->mode->max_mode) {
            continue;
        }
        if (mode == gop->mode->mode || !kg_efi_failed(gop->set_mode(gop, mode))) {
            u->handover->boot.framebuffer = kg_uefi_picture(gop);
            return;
        }
    }
}
