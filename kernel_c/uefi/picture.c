/* GOP's current mode as the kernel's framebuffer. */
#include "loader.h"

/* Position and width of a colour's bits. False if they are none, or not adjacent. */
static bool read_mask(uint32_t mask, uint8_t *position, uint8_t *size)
{
    *position = *size = 0;
    if (mask == 0) {
        return false;
    }
    while (!(mask & 1)) {
        mask >>= 1;
        (*position)++;
    }
    while (mask & 1) {
        mask >>= 1;
        (*size)++;
    }
    return mask == 0;
}

static uint8_t bits_of(uint32_t mask)
{
    uint8_t n = 0;
    for (; mask; mask >>= 1) {
        n++;
    }
    return n;
}

static bool read_pixels(const struct kg_efi_gop_info *info, struct kg_pixel_format *format)
{
    uint32_t red = 0xFF, green = 0xFF00, blue = 0xFF0000, all = UINT32_MAX;
    switch (info->pixel_format) {
    case KG_EFI_PIXELS_RGBX: break;
    case KG_EFI_PIXELS_BGRX: red = 0xFF0000, blue = 0xFF; break;
    case KG_EFI_PIXELS_MASKS:
        red = info->red_mask, green = info->green_mask, blue = info->blue_mask;
        all = red | green | blue | info->reserved_mask;
        break;
    default: return false;
    }
    format->bpp = (uint8_t)((bits_of(all) + 7) / 8 * 8);
    return read_mask(red, &format->red_position, &format->red_size) &&
           read_mask(green, &format->green_position, &format->green_size) &&
           read_mask(blue, &format->blue_position, &format->blue_size);
}

struct kg_framebuffer kg_uefi_picture(const struct kg_efi_gop *gop)
{
    struct kg_framebuffer fb = {.type = KG_FRAMEBUFFER_NONE};
    const struct kg_efi_gop_mode *mode = gop ? gop->mode : NULL;
    const struct kg_efi_gop_info *info = mode ? mode->info : NULL;
    if (!info || !mode->base || !info->width || !info->height || info->pixels_per_line < info->width) {
        return fb;
    }
    struct kg_pixel_format format = {.width = info->width, .height = info->height};
    uint64_t pitch = read_pixels(info, &format) ? (uint64_t)info->pixels_per_line * (format.bpp / 8u) : 0;
    if (pitch == 0 || pitch > UINT32_MAX || (mode->size && pitch * info->height > mode->size)) {
        return fb;
    }
    format.pitch = (uint32_t)pitch;
    return (struct kg_framebuffer){.type = KG_FRAMEBUFFER_RGB, .base = mode->base, .format = format};
}
