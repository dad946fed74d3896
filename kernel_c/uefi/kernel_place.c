/* The kernel's place (16 MiB), the memory map, and the end of boot services. */
#include "loader.h"

#define MAP_ROOM 8192 /* more than the map needs now: each allocation may add descriptors */
#define MAP_TRIES 8
#define EXIT_TRIES 16
#define RAMP_PAGES 2

static void *room_for_map(struct kg_uefi *u, uint64_t needed)
{
    u->map_room = needed + MAP_ROOM;
    u->map = (void *)kg_uefi_pages(u, u->map_room, UINT64_MAX);
    return u->map;
}

kg_efi_status kg_uefi_read_map(struct kg_uefi *u, uint64_t *bytes, uint64_t *key, uint64_t *descriptor_size)
{
    kg_efi_status status = KG_EFI_BUFFER_TOO_SMALL;
    uint32_t version;
    for (int i = 0; status == KG_EFI_BUFFER_TOO_SMALL && i < MAP_TRIES; i++) {
        *bytes = u->map_room;
        *descriptor_size = 0;
        status = u->system->boot->get_memory_map(bytes, u->map, key, descriptor_size, &version);
        if (status == KG_EFI_BUFFER_TOO_SMALL && !room_for_map(u, *bytes)) {
            return KG_EFI_OUT_OF_RESOURCES;
        }
    }
    bool known = *descriptor_size >= sizeof(struct kg_efi_memory) && *descriptor_size % 8 == 0;
    return kg_efi_failed(status) || known ? status : KG_EFI_UNSUPPORTED;
}

/* Takes all of the kernel's place that is still free, so that no later allocation lies in it. */
static void claim_free_parts(struct kg_uefi *u, uint64_t bytes, uint64_t descriptor_size)
{
    uint64_t end = u->place + u->bytes;
    for (uint64_t at = 0; at + sizeof(struct kg_efi_memory) <= bytes; at += descriptor_size) {
        const struct kg_efi_memory *memory = (const struct kg_efi_memory *)((uint8_t *)u->map + at);
        uint64_t from = memory->base, to = memory->base + memory->pages * KG_UEFI_PAGE;
        from = from > u->place ? from : u->place;
        to = to < end ? to : end;
        if (memory->type == KG_EFI_CONVENTIONAL_MEMORY && from < to) {
            u->system->boot->allocate_pages(KG_EFI_ALLOCATE_ADDRESS, KG_EFI_LOADER_DATA, (to - from) / KG_UEFI_PAGE,
                                            &from);
        }
    }
}

static void copy_place(uint64_t to, uint64_t from, uint64_t bytes)
{
    uint64_t words = bytes / 8;
    bytes %= 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

/* The ramp must be executable. Firmware that protects memory maps new pages without execution. */
static bool make_ramp(struct kg_uefi *u)
{
    static const struct kg_efi_guid guid = KG_EFI_MEMORY_ATTRIBUTE_GUID;
    uint64_t at = KG_UEFI_FOUR_GIB - 1;
    if (kg_efi_failed(u->system->boot->allocate_pages(KG_EFI_ALLOCATE_MAX, KG_EFI_LOADER_CODE, RAMP_PAGES, &at))) {
        return false;
    }
    copy_place(at, (uintptr_t)kg_uefi_ramp_begin, (uint64_t)(kg_uefi_ramp_end - kg_uefi_ramp_begin));
    u->ramp = at;
    struct kg_efi_memory_attribute *protection = kg_uefi_protocol(u, NULL, &guid);
    if (!protection) {
        return true;
    }
    protection->set(protection, at, KG_UEFI_PAGE, KG_EFI_MEMORY_RO); /* desirable, not necessary */
    return !kg_efi_failed(protection->clear(protection, at, KG_UEFI_PAGE, KG_EFI_MEMORY_XP));
}

const char *kg_uefi_place_kernel(struct kg_uefi *u)
{
    const struct kg_uefi_stub *stub = u->loaded->base;
    uint64_t from = (uintptr_t)stub + stub->kernel_offset, at, size, key, step;
    u->place = stub->load_address + (uint64_t)stub->kernel_offset;
    u->bytes = (stub->load_end - u->place + KG_UEFI_PAGE - 1) & ~(KG_UEFI_PAGE - 1);
    u->entry = stub->entry;
    at = u->kernel = u->place;
    if (kg_efi_failed(u->system->boot->allocate_pages(KG_EFI_ALLOCATE_ADDRESS, KG_EFI_LOADER_DATA,
                                                      u->bytes / KG_UEFI_PAGE, &at))) {
        if (kg_efi_failed(kg_uefi_read_map(u, &size, &key, &step))) {
            return "the firmware has no memory map";
        }
        claim_free_parts(u, size, step);
        if (!kg_uefi_is_free_later(u->map, size, step, u->place, u->place + u->bytes)) {
            return "the firmware keeps memory at 16 MiB, where the kernel must lie";
        }
        u->kernel = kg_uefi_pages(u, u->bytes, UINT64_MAX);
        if (!u->kernel) {
            return "there is no memory for a copy of the kernel";
        }
    }
    copy_place(u->kernel, from, stub->load_end - u->place);
    return make_ramp(u) ? NULL : "there is no executable page below 4 GiB";
}

bool kg_uefi_leave_firmware(struct kg_uefi *u)
{
    uint64_t bytes, key, step;
    for (int i = 0; i < EXIT_TRIES; i++) {
        if (kg_efi_failed(kg_uefi_read_map(u, &bytes, &key, &step))) {
            return false;
        }
        /* A wrong key means that the map has changed, perhaps by this very call, which stops timers. */
        if (!kg_efi_failed(u->system->boot->exit_boot_services(u->image, key))) {
            kg_uefi_add_memory(&u->handover->boot, u->map, bytes, step);
            return true;
        }
    }
    return false;
}
