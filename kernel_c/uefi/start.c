/* The boot of kgpt.efi: from the firmware's entry to the kernel's. */
#include "boot_menu.h"
#include "processor.h"

#define TEXT_OF_LIMIT "the load options are longer than 4095 bytes"

kg_efi_status KG_EFIAPI kg_efi_start(kg_efi_handle image, struct kg_efi_system_table *system);

/* Without the watchdog's end, firmware resets the machine after five minutes in a menu or while a model is read. */
static const char *open_firmware(struct kg_uefi *u)
{
    static const struct kg_efi_guid guid = KG_EFI_LOADED_IMAGE_GUID;
    u->system->boot->set_watchdog(0, 0, 0, NULL);
    u->loaded = kg_uefi_protocol(u, u->image, &guid);
    return u->loaded ? NULL : "the firmware does not tell where the file lies";
}

static const char *make_handover(struct kg_uefi *u)
{
    u->handover = (struct kg_uefi_handover *)kg_uefi_pages(u, sizeof *u->handover, kg_uefi_limits.handover);
    if (!u->handover) {
        return kg_uefi_limits.no_handover;
    }
    uint8_t *bytes = (uint8_t *)u->handover;
    for (size_t i = 0; i < sizeof *u->handover; i++) {
        bytes[i] = 0;
    }
    return NULL;
}

static void describe_machine(struct kg_uefi *u)
{
    static const struct kg_efi_guid guid = KG_EFI_GOP_GUID;
    struct kg_boot *boot = &u->handover->boot;
    /* The console's own GOP first: others may draw on no screen. */
    struct kg_efi_gop *gop =
        u->system->console_out_handle ? kg_uefi_protocol(u, u->system->console_out_handle, &guid) : NULL;
    boot->framebuffer = kg_uefi_picture(gop);
    if (boot->framebuffer.type == KG_FRAMEBUFFER_NONE) {
        boot->framebuffer = kg_uefi_picture(kg_uefi_protocol(u, NULL, &guid));
    }
    boot->rsdp = kg_uefi_rsdp(u->system);
    u->handover->tree = kg_uefi_tree(u->system);
    boot->for_people = true;
    if (!kg_uefi_options(u->loaded, boot->cmdline, sizeof boot->cmdline)) {
        boot->excess = TEXT_OF_LIMIT;
    }
}

/* Texts of this file are gone when the kernel reads them. */
static void hand_excess_over(struct kg_uefi_handover *handover)
{
    const char *text = handover->boot.excess;
    for (size_t i = 0; text && text[i] != '\0' && i < sizeof handover->excess - 1; i++) {
        handover->excess[i] = text[i];
    }
}

static const char *prepare(struct kg_uefi *u)
{
    const char *problem = open_firmware(u);
    problem = problem ? problem : kg_uefi_place_kernel(u);
    problem = problem ? problem : make_handover(u);
    if (!problem) {
        describe_machine(u);
        kg_uefi_boot_menu(u);
        hand_excess_over(u->handover);
        u->handover->time = kg_uefi_time(u->system);
    }
    return problem;
}

kg_efi_status KG_EFIAPI kg_efi_start(kg_efi_handle image, struct kg_efi_system_table *system)
{
    struct kg_uefi u = {.image = image, .system = system};
    const char *problem = prepare(&u);
    if (!problem && !kg_uefi_leave_firmware(&u)) {
        problem = "the firmware does not end its boot services";
    }
    if (problem) {
        kg_uefi_say(&u, "kgpt: error: ");
        kg_uefi_say(&u, problem);
        kg_uefi_say(&u, "\r\n");
        return KG_EFI_LOAD_ERROR;
    }
    kg_uefi_enter(u.ramp, u.entry, (uintptr_t)u.handover);
}
