/* Entries of the boot menu with a kernel of their own, which is a program for firmware: see stick.h. */
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "program.h"
#include "uefi/device_path.h"
#include "uefi/files/files.h"

#define CHOICE "menu=" /* load options of such a program: the entry's id, then its words */

/* Loads the program: from the medium by its path, from a server by its bytes. Its device is that of this program, so
 * it finds the same files. */
static kg_efi_status load_program(struct kg_stick *stick, struct kg_text file, kg_efi_handle *program)
{
    static const struct kg_efi_guid guid = KG_EFI_DEVICE_PATH_GUID;
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    uint8_t *device = kg_uefi_protocol(stick->u, stick->u->loaded->device, &guid), path[KG_DEVICE_PATH_MAX];
    uint64_t base, size;
    if (stick->root) {
        return kg_device_path_of_file(device, file, path)
                   ? services->load_image(false, stick->u->image, path, NULL, 0, program)
                   : KG_EFI_NOT_FOUND;
    }
    if (kg_stick_whole(stick, file, true, &base, &size) != KG_OK) {
        return stick->absent ? KG_EFI_NOT_FOUND : KG_EFI_LOAD_ERROR;
    }
    kg_efi_status status = services->load_image(false, stick->u->image, device, (void *)base, size, program);
    kg_stick_give_back(stick, base, size + 1);
    return status;
}

enum kg_status kg_stick_start_program(struct kg_stick *stick, const struct kg_menu_entry *entry)
{
    static const struct kg_efi_guid guid = KG_EFI_LOADED_IMAGE_GUID;
    kg_efi_handle program = NULL;
    stick->error.message[0] = '\0';
    kg_efi_status status = load_program(stick, entry->kernel, &program);
    struct kg_efi_loaded_image *loaded = kg_efi_failed(status) ? NULL : kg_uefi_protocol(stick->u, program, &guid);
    if (loaded) {
        kg_format(stick->line, sizeof stick->line, CHOICE "%.*s %s", (int)entry->id.n, entry->id.data,
                  stick->view.words);
        size_t n = kg_stick_utf16((struct kg_text){stick->line, kg_strlen(stick->line)}, stick->options,
                                  sizeof stick->options / 2, false);
        loaded->load_options = stick->options;
        loaded->load_options_size = (uint32_t)(2 * (n + 1));
        status = stick->u->system->boot->start_image(program, NULL, NULL);
    }
    if (stick->error.message[0]) {
        return KG_E_INPUT; /* it could not be read */
    }
    bool refused = status == KG_EFI_SECURITY_VIOLATION || status == KG_EFI_ACCESS_DENIED;
    kg_error_set(&stick->error, KG_E_INPUT, "%.*s: %s%s", (int)(entry->kernel.n < 100 ? entry->kernel.n : 100),
                 entry->kernel.data,
                 refused                      ? "Secure Boot refuses this program"
                 : status == KG_EFI_NOT_FOUND ? "it is not on the "
                                              : "the firmware could not start it",
                 status == KG_EFI_NOT_FOUND ? stick->source->where : "");
    kg_error_hint(&stick->error, "%s", refused ? "sign all programs, also those of the menu" : stick->source->hint);
    return KG_E_INPUT;
}

const struct kg_menu_entry *kg_stick_named_entry(struct kg_stick *stick)
{
    const char *options = stick->u->handover->boot.cmdline;
    size_t n = sizeof CHOICE - 1, end = n;
    if (!kg_str_starts(options, CHOICE)) {
        return NULL;
    }
    while (options[end] && options[end] != ' ') {
        end++;
    }
    size_t found = kg_menu_find(&stick->menu, (struct kg_text){options + n, end - n});
    memcpy(stick->view.words, options + end, kg_strlen(options + end) + 1);
    return found < stick->menu.n_entries ? &stick->menu.entries[found] : NULL;
}
