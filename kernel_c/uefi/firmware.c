/* What the loader asks of firmware. */
#include "loader.h"

void kg_uefi_say(const struct kg_uefi *u, const char *text)
{
    struct kg_efi_text_output *out = u->system->console_out;
    uint16_t piece[2] = {0, 0};
    for (; out && *text != '\0'; text++) {
        piece[0] = (uint8_t)*text;
        out->write(out, piece);
    }
}

void *kg_uefi_protocol(const struct kg_uefi *u, kg_efi_handle handle, const struct kg_efi_guid *guid)
{
    void *found = NULL;
    kg_efi_status status = handle ? u->system->boot->handle_protocol(handle, guid, &found)
                                  : u->system->boot->locate_protocol(guid, NULL, &found);
    return kg_efi_failed(status) ? NULL : found;
}

uint64_t kg_uefi_pages(const struct kg_uefi *u, uint64_t size, uint64_t limit)
{
    uint64_t at = limit, pages = (size + KG_UEFI_PAGE - 1) / KG_UEFI_PAGE;
    uint32_t how = limit == UINT64_MAX ? KG_EFI_ALLOCATE_ANY : KG_EFI_ALLOCATE_MAX;
    kg_efi_status status = u->system->boot->allocate_pages(how, KG_EFI_LOADER_DATA, pages, &at);
    return kg_efi_failed(status) ? 0 : at;
}

static bool same_guid(const struct kg_efi_guid *a, const struct kg_efi_guid *b)
{
    const uint8_t *left = (const uint8_t *)a, *right = (const uint8_t *)b;
    size_t i = 0;
    while (i < sizeof *a && left[i] == right[i]) {
        i++;
    }
    return i == sizeof *a;
}

/* The address of a configuration table; 0: none. */
static uint64_t table_of(const struct kg_efi_system_table *system, const struct kg_efi_guid *guid)
{
    uint64_t found = 0;
    for (uint64_t i = 0; !found && system->configurations && i < system->n_configurations; i++) {
        const struct kg_efi_configuration *entry = &system->configurations[i];
        found = same_guid(&entry->guid, guid) ? (uintptr_t)entry->table : 0;
    }
    return found;
}

/* ACPI 2.0's root pointer has the table of 64-bit addresses (XSDT). */
uint64_t kg_uefi_rsdp(const struct kg_efi_system_table *system)
{
    static const struct kg_efi_guid newer = KG_EFI_ACPI_20_GUID, older = KG_EFI_ACPI_10_GUID;
    uint64_t found = table_of(system, &newer);
    return found ? found : table_of(system, &older);
}

uint64_t kg_uefi_tree(const struct kg_efi_system_table *system)
{
    static const struct kg_efi_guid guid = KG_EFI_DEVICE_TREE_GUID;
    return table_of(system, &guid);
}
