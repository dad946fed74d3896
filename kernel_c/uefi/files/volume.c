/* Files of the medium from which the firmware started the program, by Simple File System: see stick.h. */
#include "files.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "uefi/device_path.h"

static const char *reason_of(struct kg_stick *stick, kg_efi_status status)
{
    stick->absent = status == KG_EFI_NOT_FOUND;
    switch (status) {
    case KG_EFI_NOT_FOUND: return "it is not on the stick";
    case KG_EFI_DEVICE_ERROR: return "the stick cannot be read there";
    case KG_EFI_VOLUME_CORRUPTED: return "the file system is damaged";
    case KG_EFI_NO_MEDIA:
    case KG_EFI_MEDIA_CHANGED: return "the stick was pulled out";
    default: return "the firmware could not read it";
    }
}

static kg_efi_status open_path(struct kg_stick *stick, struct kg_text path, struct kg_efi_file **file)
{
    uint16_t name[KG_STICK_PATH_MAX];
    kg_stick_utf16(path, name, KG_STICK_PATH_MAX, true);
    return stick->root->open(stick->root, file, name, KG_EFI_FILE_READ, 0);
}

struct kg_efi_file *kg_stick_open(struct kg_stick *stick, struct kg_text path)
{
    struct kg_efi_file *file = NULL;
    return kg_efi_failed(open_path(stick, path, &file)) ? NULL : file;
}

static const char *volume_size(struct kg_stick *stick, struct kg_text path, uint64_t *size)
{
    static const struct kg_efi_guid guid = KG_EFI_FILE_INFO_GUID;
    struct kg_efi_file *file = NULL;
    uint64_t room = KG_STICK_CHUNK;
    kg_efi_status status = open_path(stick, path, &file);
    if (kg_efi_failed(status)) {
        return reason_of(stick, status);
    }
    status = file->get_info(file, &guid, &room, stick->chunk);
    file->close(file);
    const struct kg_efi_file_info *info = (const struct kg_efi_file_info *)(const void *)stick->chunk;
    if (kg_efi_failed(status)) {
        return reason_of(stick, status);
    }
    *size = info->file_size;
    return info->attributes & KG_EFI_FILE_DIRECTORY ? "it is a folder" : NULL;
}

/* Reads up to the end that kg_stick_read expects. A firmware may return less than was asked for. */
static const char *fetch_open(struct kg_stick *stick, struct kg_efi_file *file, struct kg_stick_read *read,
                              uint64_t left)
{
    while (left) {
        uint64_t n = left < KG_STICK_CHUNK ? left : KG_STICK_CHUNK;
        kg_efi_status status = file->read(file, &n, stick->chunk);
        if (kg_efi_failed(status) || n == 0 || n > left) {
            return n == 0 ? "it ends early" : reason_of(stick, status);
        }
        const char *stop = kg_stick_take(read, stick->chunk, n);
        if (stop) {
            return stop;
        }
        left -= n;
    }
    return NULL;
}

static const char *volume_fetch(struct kg_stick *stick, struct kg_text path, struct kg_stick_read *read)
{
    uint64_t size;
    struct kg_efi_file *file = NULL;
    const char *problem = volume_size(stick, path, &size);
    if (problem) {
        return problem;
    }
    kg_efi_status status = open_path(stick, path, &file);
    if (kg_efi_failed(status)) {
        return reason_of(stick, status);
    }
    problem = fetch_open(stick, file, read, size);
    file->close(file);
    return problem;
}

static const struct kg_source volume_source = {"stick", "write the stick again, or try another port or stick",
                                               volume_size, volume_fetch};

bool kg_stick_open_volume(struct kg_stick *stick)
{
    static const struct kg_efi_guid guid = KG_EFI_SIMPLE_FILE_SYSTEM_GUID;
    const struct kg_uefi *u = stick->u;
    struct kg_efi_simple_file_system *volume = u->loaded->device ? kg_uefi_protocol(u, u->loaded->device, &guid) : NULL;
    stick->source = &volume_source;
    return volume && !kg_efi_failed(volume->open_volume(volume, &stick->root));
}

/* True if `name` ends in .menu; then `path` is the file's path in the folder of models. */
static bool is_menu_name(const uint16_t *name, char path[KG_STICK_PATH_MAX])
{
    static const char ending[] = ".menu", folder[] = "/models/";
    size_t head = sizeof folder - 1, n = 0, m = sizeof ending - 1;
    memcpy(path, folder, head);
    for (; name[n] && head + n + 1 < KG_STICK_PATH_MAX; n++) {
        if (name[n] > 0x7E) {
            return false;
        }
        path[head + n] = (char)name[n];
    }
    path[head + n] = '\0';
    return n > m && name[n] == 0 && memcmp(path + head + n - m, ending, m) == 0;
}

bool kg_stick_next_menu(struct kg_stick *stick, struct kg_efi_file *folder, char path[KG_STICK_PATH_MAX])
{
    const struct kg_efi_file_info *info = (const struct kg_efi_file_info *)(const void *)stick->chunk;
    for (size_t i = 0; i < KG_STICK_FILES_MAX; i++) {
        uint64_t room = KG_STICK_CHUNK;
        if (kg_efi_failed(folder->read(folder, &room, stick->chunk)) || room == 0) {
            return false;
        }
        if (is_menu_name(info->name, path)) {
            return true;
        }
    }
    return false;
}
