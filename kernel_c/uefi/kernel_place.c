/* The kernel's place, the memory map, and the end of boot services. */
#include "kgpt/mem.h"
#include "processor.h"

#define MAP_ROOM 8192 /* more than the map needs now: each allocation may add descriptors */
#define MAP_TRIES 8
#define EXIT_TRIES 16
#define PLACE_STEP UINT64_C(0x200000) /* alignment of the kernel at any place */

/* An address in code or data, at any byte. */
struct address32 {
    uint32_t value;
} __attribute__((packed, may_alias));

struct address64 {
    uint64_t value;
} __attribute__((packed, may_alias));

static void *room_for_map(struct kg_uefi *u, uint64_t needed)
{
    u->map_room = needed + MAP_ROOM;
    u->map = (void *)kg_uefi_pages(u, u->map_room, UINT64_MAX);
    return u->map;
}

static kg_efi_status read_map(struct kg_uefi *u, uint64_t *bytes, uint64_t *key, uint64_t *descriptor_size)
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

/* Returns the address of `bytes` bytes of memory: `wanted`, or any that the kernel can run at. 0: there is none. */
static uint64_t find_place(const struct kg_uefi *u, uint64_t wanted, uint64_t bytes)
{
    uint64_t at = wanted;
    if (!kg_efi_failed(
            u->system->boot->allocate_pages(KG_EFI_ALLOCATE_ADDRESS, KG_EFI_LOADER_DATA, bytes / KG_UEFI_PAGE, &at))) {
        return wanted;
    }
    at = kg_uefi_pages(u, bytes + PLACE_STEP - KG_UEFI_PAGE, kg_uefi_limits.kernel);
    return at ? (at + PLACE_STEP - 1) & ~(PLACE_STEP - 1) : 0;
}

/* Adds `distance` to each address in the kernel that lies at `place`. */
static void move_addresses(const struct kg_uefi_stub *stub, uint64_t place, uint64_t distance)
{
    const uint32_t *at = (const uint32_t *)((uintptr_t)stub + stub->addresses_offset);
    for (uint32_t i = 0; i < stub->n_addresses32; i++) {
        ((struct address32 *)(place + *at++))->value += (uint32_t)distance;
    }
    for (uint32_t i = 0; i < stub->n_addresses64; i++) {
        ((struct address64 *)(place + *at++))->value += distance;
    }
}

const char *kg_uefi_place_kernel(struct kg_uefi *u)
{
    const struct kg_uefi_stub *stub = u->loaded->base;
    uint64_t linked = stub->kernel_linked;
    u->size = stub->kernel_size;
    u->place = find_place(u, linked, (u->size + KG_UEFI_PAGE - 1) & ~(KG_UEFI_PAGE - 1));
    if (!u->place) {
        return kg_uefi_limits.no_kernel;
    }
    memcpy((void *)u->place, (const uint8_t *)stub + stub->kernel_offset, u->size);
    if (u->place != linked) {
        move_addresses(stub, u->place, u->place - linked);
    }
    u->entry = stub->kernel_entry + u->place - linked;
    return kg_uefi_make_ramp(u);
}

bool kg_uefi_leave_firmware(struct kg_uefi *u)
{
    uint64_t bytes, key, step;
    for (int i = 0; i < EXIT_TRIES; i++) {
        if (kg_efi_failed(read_map(u, &bytes, &key, &step))) {
            return false;
        }
        /* A wrong key means that the map has changed, perhaps by this very call, which stops timers. */
        if (!kg_efi_failed(u->system->boot->exit_boot_services(u->image, key))) {
            kg_uefi_mark_memory(u->handover->memory, u->map, bytes, step);
            kg_uefi_add_memory(&u->handover->boot, u->map, bytes, step);
            return true;
        }
    }
    return false;
}
