/* UEFI's interfaces as far as the loader uses them (UEFI Specification 2.10; section numbers beside each). The
 * loader in this room is the only user: start.c and its helpers use the system table, boot services, Loaded Image,
 * GOP and the configuration table; the boot menu uses text input and output; files and models come through Simple
 * File System, File and Block IO; the network through HTTP, PXE Base Code and MTFTP; Secure Boot's state is a
 * variable.
 *
 * Members that nobody uses are `void *`: their place counts, not their type. All calls take and return UEFI's calling
 * convention (KG_EFIAPI). Strings are UTF-16, little-endian, with a final 0. */
#ifndef KGPT_UEFI_EFI_H
#define KGPT_UEFI_EFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
#define KG_EFIAPI __attribute__((ms_abi))
#else
#define KG_EFIAPI
#endif

typedef uint64_t kg_efi_status; /* appendix D: the top bit marks errors */
typedef void *kg_efi_handle;
typedef void *kg_efi_event;

#define KG_EFI_ERROR(n) (UINT64_C(0x8000000000000000) | (n))
#define KG_EFI_SUCCESS UINT64_C(0)
#define KG_EFI_LOAD_ERROR KG_EFI_ERROR(1)
#define KG_EFI_INVALID_PARAMETER KG_EFI_ERROR(2)
#define KG_EFI_UNSUPPORTED KG_EFI_ERROR(3)
#define KG_EFI_BUFFER_TOO_SMALL KG_EFI_ERROR(5)
#define KG_EFI_NOT_READY KG_EFI_ERROR(6)
#define KG_EFI_DEVICE_ERROR KG_EFI_ERROR(7)
#define KG_EFI_OUT_OF_RESOURCES KG_EFI_ERROR(9)
#define KG_EFI_VOLUME_CORRUPTED KG_EFI_ERROR(10)
#define KG_EFI_NO_MEDIA KG_EFI_ERROR(12)
#define KG_EFI_MEDIA_CHANGED KG_EFI_ERROR(13)
#define KG_EFI_NOT_FOUND KG_EFI_ERROR(14)
#define KG_EFI_ACCESS_DENIED KG_EFI_ERROR(15)
#define KG_EFI_TIMEOUT KG_EFI_ERROR(18)
#define KG_EFI_ICMP_ERROR KG_EFI_ERROR(22)
#define KG_EFI_TFTP_ERROR KG_EFI_ERROR(23)
#define KG_EFI_PROTOCOL_ERROR KG_EFI_ERROR(24)
#define KG_EFI_PORT_UNREACHABLE KG_EFI_ERROR(103)
#define KG_EFI_ALREADY_STARTED KG_EFI_ERROR(20)
#define KG_EFI_ABORTED KG_EFI_ERROR(21)
#define KG_EFI_SECURITY_VIOLATION KG_EFI_ERROR(26)

/* True for errors. Warnings have the top bit clear. */
static inline bool kg_efi_failed(kg_efi_status status)
{
    return status >> 63;
}

struct kg_efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

/* GUIDs are initializers: static const struct kg_efi_guid guid = KG_EFI_GOP_GUID; */
#define KG_EFI_ACPI_20_GUID {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}}
#define KG_EFI_ACPI_10_GUID {0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
#define KG_EFI_DEVICE_TREE_GUID {0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}}
#define KG_EFI_LOADED_IMAGE_GUID {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_DEVICE_PATH_GUID {0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_SIMPLE_FILE_SYSTEM_GUID {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_FILE_INFO_GUID {0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_BLOCK_IO_GUID {0x964e5b21, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_GOP_GUID {0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}}
#define KG_EFI_TEXT_OUTPUT_GUID {0x387477c2, 0x69c7, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define KG_EFI_TEXT_INPUT_EX_GUID {0xdd9e7534, 0x7762, 0x4698, {0x8c, 0x14, 0xf5, 0x85, 0x17, 0xa6, 0x25, 0xaa}}
#define KG_EFI_MEMORY_ATTRIBUTE_GUID {0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}}
#define KG_EFI_SIMPLE_NETWORK_GUID {0xa19832b9, 0xac25, 0x11d3, {0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
#define KG_EFI_PXE_BASE_CODE_GUID {0x03c4e603, 0xac28, 0x11d3, {0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
#define KG_EFI_MTFTP4_SERVICE_GUID {0x2fe800be, 0x8f01, 0x4aa6, {0x94, 0x6b, 0xd7, 0x13, 0x88, 0xe1, 0x83, 0x3f}}
#define KG_EFI_MTFTP4_GUID {0x78247c57, 0x63db, 0x4708, {0x99, 0xc2, 0xa8, 0xb4, 0xa9, 0xa6, 0x1f, 0x6b}}
#define KG_EFI_IP4_CONFIG2_GUID {0x5b446ed1, 0xe30b, 0x4faa, {0x87, 0x1a, 0x36, 0x54, 0xec, 0xa3, 0x60, 0x80}}
#define KG_EFI_HTTP_SERVICE_GUID {0xbdc8e6af, 0xd9bc, 0x4379, {0xa7, 0x2a, 0xe0, 0xc4, 0xe7, 0x5d, 0xae, 0x1c}}
#define KG_EFI_HTTP_GUID {0x7a59b29b, 0x910b, 0x4171, {0x82, 0x42, 0xa8, 0x5a, 0x0d, 0xf2, 0x5b, 0x5b}}
#define KG_EFI_GLOBAL_VARIABLE_GUID {0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}}

struct kg_efi_table_header { /* 4.2 */
    uint64_t signature;
    uint32_t revision, size, crc32, reserved;
};

/* 12.3: keys. A scan code of 0 means that `character` holds the key. */
enum {
    KG_EFI_KEY_UP = 1,
    KG_EFI_KEY_DOWN = 2,
    KG_EFI_KEY_RIGHT = 3,
    KG_EFI_KEY_LEFT = 4,
    KG_EFI_KEY_HOME = 5,
    KG_EFI_KEY_END = 6,
    KG_EFI_KEY_PAGE_UP = 9,
    KG_EFI_KEY_PAGE_DOWN = 10,
    KG_EFI_KEY_ESCAPE = 23,
};

struct kg_efi_key {
    uint16_t scan_code, character;
};

struct kg_efi_text_input { /* 12.3 */
    kg_efi_status(KG_EFIAPI *reset)(struct kg_efi_text_input *self, bool extended);
    kg_efi_status(KG_EFIAPI *read_key)(struct kg_efi_text_input *self, struct kg_efi_key *key); /* NOT_READY: none */
    kg_efi_event wait_for_key;
};

struct kg_efi_text_mode {
    int32_t max_mode, mode, attribute, column, row;
    bool cursor_visible;
};

struct kg_efi_text_output { /* 12.4 */
    kg_efi_status(KG_EFIAPI *reset)(struct kg_efi_text_output *self, bool extended);
    kg_efi_status(KG_EFIAPI *write)(struct kg_efi_text_output *self, const uint16_t *text);
    kg_efi_status(KG_EFIAPI *test)(struct kg_efi_text_output *self, const uint16_t *text);
    kg_efi_status(KG_EFIAPI *query_mode)(struct kg_efi_text_output *self, uint64_t mode, uint64_t *columns,
                                         uint64_t *rows);
    kg_efi_status(KG_EFIAPI *set_mode)(struct kg_efi_text_output *self, uint64_t mode);
    kg_efi_status(KG_EFIAPI *set_attribute)(struct kg_efi_text_output *self, uint64_t attribute); /* as VGA's */
    kg_efi_status(KG_EFIAPI *clear)(struct kg_efi_text_output *self);
    kg_efi_status(KG_EFIAPI *set_cursor)(struct kg_efi_text_output *self, uint64_t column, uint64_t row);
    kg_efi_status(KG_EFIAPI *enable_cursor)(struct kg_efi_text_output *self, bool visible);
    const struct kg_efi_text_mode *mode;
};

/* 7.2: types of memory. */
enum {
    KG_EFI_RESERVED_MEMORY,
    KG_EFI_LOADER_CODE,
    KG_EFI_LOADER_DATA,
    KG_EFI_BOOT_SERVICES_CODE,
    KG_EFI_BOOT_SERVICES_DATA,
    KG_EFI_RUNTIME_SERVICES_CODE,
    KG_EFI_RUNTIME_SERVICES_DATA,
    KG_EFI_CONVENTIONAL_MEMORY,
    KG_EFI_UNUSABLE_MEMORY,
    KG_EFI_ACPI_RECLAIM_MEMORY,
    KG_EFI_ACPI_MEMORY_NVS,
};

#define KG_EFI_MEMORY_RO UINT64_C(0x20000)
#define KG_EFI_MEMORY_XP UINT64_C(0x4000)
#define KG_EFI_MEMORY_SP UINT64_C(0x40000) /* set apart for a purpose of the system, not general RAM */

enum { KG_EFI_ALLOCATE_ANY, KG_EFI_ALLOCATE_MAX, KG_EFI_ALLOCATE_ADDRESS };

struct kg_efi_memory {
    uint32_t type;
    uint64_t base, virtual_base;
    uint64_t pages; /* of 4 KiB */
    uint64_t attributes;
};

enum { KG_EFI_TIMER_CANCEL, KG_EFI_TIMER_PERIODIC, KG_EFI_TIMER_RELATIVE };
enum { KG_EFI_BY_PROTOCOL = 2 }; /* search type of locate_handles */

#define KG_EFI_EVENT_TIMER 0x80000000u
#define KG_EFI_EVENT_NOTIFY_SIGNAL 0x200u
#define KG_EFI_TPL_CALLBACK 8u

#define KG_EFI_OPEN_BY_HANDLE_PROTOCOL 1u
#define KG_EFI_OPEN_GET_PROTOCOL 2u

typedef void(KG_EFIAPI *kg_efi_notify)(kg_efi_event event, void *context);

struct kg_efi_boot_services { /* 4.4, 7 */
    struct kg_efi_table_header header;
    void *raise_tpl, *restore_tpl;
    kg_efi_status(KG_EFIAPI *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address);
    kg_efi_status(KG_EFIAPI *free_pages)(uint64_t address, uint64_t pages);
    kg_efi_status(KG_EFIAPI *get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *descriptor_size,
                                             uint32_t *version);
    kg_efi_status(KG_EFIAPI *allocate_pool)(uint32_t type, uint64_t size, void **buffer);
    kg_efi_status(KG_EFIAPI *free_pool)(void *buffer);
    kg_efi_status(KG_EFIAPI *create_event)(uint32_t type, uint64_t tpl, kg_efi_notify notify, void *context,
                                           kg_efi_event *event);
    kg_efi_status(KG_EFIAPI *set_timer)(kg_efi_event event, uint32_t how, uint64_t in_100_ns);
    kg_efi_status(KG_EFIAPI *wait_for_event)(uint64_t n, kg_efi_event *events, uint64_t *index);
    void *signal_event;
    kg_efi_status(KG_EFIAPI *close_event)(kg_efi_event event);
    kg_efi_status(KG_EFIAPI *check_event)(kg_efi_event event);
    void *install_protocol, *reinstall_protocol, *uninstall_protocol;
    kg_efi_status(KG_EFIAPI *handle_protocol)(kg_efi_handle handle, const struct kg_efi_guid *protocol,
                                              void **interface);
    void *reserved, *register_protocol_notify, *locate_handle;
    kg_efi_status(KG_EFIAPI *locate_device_path)(const struct kg_efi_guid *protocol, void **path,
                                                 kg_efi_handle *device);
    void *install_configuration_table;
    kg_efi_status(KG_EFIAPI *load_image)(bool by_policy, kg_efi_handle parent, void *path, void *source, uint64_t size,
                                         kg_efi_handle *image);
    kg_efi_status(KG_EFIAPI *start_image)(kg_efi_handle image, uint64_t *exit_size, uint16_t **exit_text);
    kg_efi_status(KG_EFIAPI *exit)(kg_efi_handle image, kg_efi_status status, uint64_t size, uint16_t *text);
    void *unload_image;
    kg_efi_status(KG_EFIAPI *exit_boot_services)(kg_efi_handle image, uint64_t key);
    void *get_next_monotonic_count;
    kg_efi_status(KG_EFIAPI *stall)(uint64_t us);
    kg_efi_status(KG_EFIAPI *set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size, uint16_t *text);
    kg_efi_status(KG_EFIAPI *connect_controller)(kg_efi_handle controller, kg_efi_handle *drivers, void *path,
                                                 bool recursive);
    void *disconnect_controller;
    kg_efi_status(KG_EFIAPI *open_protocol)(kg_efi_handle handle, const struct kg_efi_guid *protocol, void **interface,
                                            kg_efi_handle agent, kg_efi_handle controller, uint32_t attributes);
    void *close_protocol, *open_protocol_information, *protocols_per_handle;
    kg_efi_status(KG_EFIAPI *locate_handles)(uint32_t how, const struct kg_efi_guid *protocol, void *key, uint64_t *n,
                                             kg_efi_handle **handles); /* LocateHandleBuffer: free with free_pool */
    kg_efi_status(KG_EFIAPI *locate_protocol)(const struct kg_efi_guid *protocol, void *registration, void **interface);
    void *install_protocols, *uninstall_protocols, *calculate_crc32, *copy_mem, *set_mem, *create_event_ex;
};

enum { KG_EFI_RESET_COLD, KG_EFI_RESET_WARM, KG_EFI_RESET_SHUTDOWN };

#define KG_EFI_ZONE_UNKNOWN 2047

struct kg_efi_time { /* 8.3 */
    uint16_t year;
    uint8_t month, day, hour, minute, second, pad;
    uint32_t nanosecond;
    int16_t zone; /* minutes that UTC is ahead */
    uint8_t daylight, pad_end;
};

struct kg_efi_runtime_services { /* 4.5, 8 */
    struct kg_efi_table_header header;
    kg_efi_status(KG_EFIAPI *get_time)(struct kg_efi_time *time, void *capabilities);
    void *set_time, *get_wakeup_time, *set_wakeup_time, *set_virtual_address_map, *convert_pointer;
    kg_efi_status(KG_EFIAPI *get_variable)(const uint16_t *name, const struct kg_efi_guid *vendor, uint32_t *attributes,
                                           uint64_t *size, void *data); /* SecureBoot, SetupMode: one byte, 0 or 1 */
    void *get_next_variable_name;
    kg_efi_status(KG_EFIAPI *set_variable)(const uint16_t *name, const struct kg_efi_guid *vendor, uint32_t attributes,
                                           uint64_t size, const void *data);
    void *get_next_high_monotonic_count;
    void(KG_EFIAPI *reset_system)(uint32_t how, kg_efi_status status, uint64_t size, const void *data);
    void *update_capsule, *query_capsule_capabilities, *query_variable_info;
};

struct kg_efi_configuration {
    struct kg_efi_guid guid;
    void *table;
};

struct kg_efi_system_table { /* 4.3 */
    struct kg_efi_table_header header;
    const uint16_t *firmware_vendor;
    uint32_t firmware_revision;
    kg_efi_handle console_in_handle;
    struct kg_efi_text_input *console_in;
    kg_efi_handle console_out_handle;
    struct kg_efi_text_output *console_out;
    kg_efi_handle error_handle;
    struct kg_efi_text_output *error;
    struct kg_efi_runtime_services *runtime;
    struct kg_efi_boot_services *boot;
    uint64_t n_configurations;
    const struct kg_efi_configuration *configurations;
};

struct kg_efi_device_path { /* 10.2: a list of nodes; type 0x7F ends it */
    uint8_t type, subtype;
    uint8_t length[2]; /* of the node with this header, little-endian */
};

struct kg_efi_loaded_image { /* 9.1 */
    uint32_t revision;
    kg_efi_handle parent;
    struct kg_efi_system_table *system;
    kg_efi_handle device; /* with Simple File System, or PXE Base Code */
    struct kg_efi_device_path *path;
    void *reserved;
    uint32_t load_options_size; /* in bytes */
    void *load_options;         /* UTF-16, mostly; perhaps without a final 0 */
    void *base;
    uint64_t size;
    uint32_t code_type, data_type;
    void *unload;
};

enum { KG_EFI_PIXELS_RGBX, KG_EFI_PIXELS_BGRX, KG_EFI_PIXELS_MASKS, KG_EFI_PIXELS_BLT_ONLY };

struct kg_efi_gop_info { /* 12.9 */
    uint32_t version, width, height, pixel_format;
    uint32_t red_mask, green_mask, blue_mask, reserved_mask; /* of KG_EFI_PIXELS_MASKS */
    uint32_t pixels_per_line;
};

struct kg_efi_gop_mode {
    uint32_t max_mode, mode;
    const struct kg_efi_gop_info *info;
    uint64_t info_size, base, size;
};

enum { KG_EFI_BLT_FILL, KG_EFI_BLT_FROM_VIDEO, KG_EFI_BLT_TO_VIDEO, KG_EFI_BLT_MOVE };

struct kg_efi_gop {
    kg_efi_status(KG_EFIAPI *query_mode)(struct kg_efi_gop *self, uint32_t mode, uint64_t *size,
                                         struct kg_efi_gop_info **info); /* free with free_pool */
    kg_efi_status(KG_EFIAPI *set_mode)(struct kg_efi_gop *self, uint32_t mode);
    kg_efi_status(KG_EFIAPI *blt)(struct kg_efi_gop *self, uint32_t *pixels, uint32_t how, uint64_t from_x,
                                  uint64_t from_y, uint64_t to_x, uint64_t to_y, uint64_t width, uint64_t height,
                                  uint64_t line_bytes); /* pixels are 0x00RRGGBB */
    const struct kg_efi_gop_mode *mode;
};

struct kg_efi_memory_attribute { /* 37.7 */
    void *get;
    kg_efi_status(KG_EFIAPI *set)(struct kg_efi_memory_attribute *self, uint64_t base, uint64_t size, uint64_t which);
    kg_efi_status(KG_EFIAPI *clear)(struct kg_efi_memory_attribute *self, uint64_t base, uint64_t size, uint64_t which);
};

#define KG_EFI_FILE_READ UINT64_C(1)
#define KG_EFI_FILE_WRITE UINT64_C(2)
#define KG_EFI_FILE_DIRECTORY UINT64_C(0x10) /* attribute of kg_efi_file_info */

struct kg_efi_file { /* 13.5 */
    uint64_t revision;
    kg_efi_status(KG_EFIAPI *open)(struct kg_efi_file *self, struct kg_efi_file **opened, const uint16_t *name,
                                   uint64_t mode, uint64_t attributes);
    kg_efi_status(KG_EFIAPI *close)(struct kg_efi_file *self);
    void *delete;
    kg_efi_status(KG_EFIAPI *read)(struct kg_efi_file *self, uint64_t *size, void *to); /* a directory: its entries */
    kg_efi_status(KG_EFIAPI *write)(struct kg_efi_file *self, uint64_t *size, const void *from);
    kg_efi_status(KG_EFIAPI *get_position)(struct kg_efi_file *self, uint64_t *position);
    kg_efi_status(KG_EFIAPI *set_position)(struct kg_efi_file *self, uint64_t position);
    kg_efi_status(KG_EFIAPI *get_info)(struct kg_efi_file *self, const struct kg_efi_guid *kind, uint64_t *size,
                                       void *to);
    void *set_info;
    kg_efi_status(KG_EFIAPI *flush)(struct kg_efi_file *self);
};

struct kg_efi_file_info { /* KG_EFI_FILE_INFO_GUID */
    uint64_t size, file_size, physical_size;
    uint8_t created[16], accessed[16], modified[16];
    uint64_t attributes;
    uint16_t name[];
};

struct kg_efi_simple_file_system { /* 13.4 */
    uint64_t revision;
    kg_efi_status(KG_EFIAPI *open_volume)(struct kg_efi_simple_file_system *self, struct kg_efi_file **root);
};

struct kg_efi_block_media { /* 13.9 */
    uint32_t id;
    bool removable, present, logical_partition, read_only, write_caching;
    uint32_t block_size, io_align; /* io_align: of buffers, a power of two; 0 and 1: any */
    uint64_t last_block;
};

struct kg_efi_block_io {
    uint64_t revision;
    const struct kg_efi_block_media *media;
    kg_efi_status(KG_EFIAPI *reset)(struct kg_efi_block_io *self, bool extended);
    kg_efi_status(KG_EFIAPI *read)(struct kg_efi_block_io *self, uint32_t media, uint64_t first, uint64_t size,
                                   void *to);
    kg_efi_status(KG_EFIAPI *write)(struct kg_efi_block_io *self, uint32_t media, uint64_t first, uint64_t size,
                                    const void *from);
    kg_efi_status(KG_EFIAPI *flush)(struct kg_efi_block_io *self);
};

/* 24.1 and 24.3: the network. An address has 16 bytes; one of IPv4 fills the first four. */
union kg_efi_address {
    uint8_t v4[4], v6[16];
    uint32_t words[4];
};

struct kg_efi_simple_network_mode {
    uint32_t state, mac_size, header_size, packet_size, nvram_size, nvram_access, filters_known, filters;
    uint32_t multicast_max, multicast_n;
    uint8_t multicast[16][32], mac[32], broadcast[32], permanent_mac[32];
    uint8_t interface_type;
    bool mac_changeable, several_transmits, media_detected, media_present;
};

struct kg_efi_simple_network {
    uint64_t revision;
    void *start, *stop, *initialize, *reset, *shutdown, *receive_filters, *station_address, *statistics;
    void *multicast_to_mac, *nvdata, *get_status, *transmit, *receive;
    kg_efi_event wait_for_packet;
    const struct kg_efi_simple_network_mode *mode;
};

#define KG_EFI_PXE_PACKET 1472

struct kg_efi_pxe_mode {
    bool started, ipv6_available, ipv6_supported, using_ipv6, bis_supported, bis_detected, auto_arp, send_guid;
    bool dhcp_discover_valid, dhcp_ack_received, proxy_offer_received, pxe_discover_valid, pxe_reply_received;
    bool pxe_bis_reply_received, icmp_error_received, tftp_error_received, make_callbacks;
    uint8_t ttl, tos;
    union kg_efi_address station, subnet_mask;
    uint8_t dhcp_discover[KG_EFI_PXE_PACKET], dhcp_ack[KG_EFI_PXE_PACKET], proxy_offer[KG_EFI_PXE_PACKET];
    uint8_t pxe_discover[KG_EFI_PXE_PACKET], pxe_reply[KG_EFI_PXE_PACKET], pxe_bis_reply[KG_EFI_PXE_PACKET];
    uint8_t rest[]; /* IP filter, ARP and route tables, the last ICMP and TFTP errors */
};

enum { KG_EFI_PXE_TFTP_SIZE = 1, KG_EFI_PXE_TFTP_READ = 2 };

struct kg_efi_pxe {
    uint64_t revision;
    kg_efi_status(KG_EFIAPI *start)(struct kg_efi_pxe *self, bool ipv6);
    kg_efi_status(KG_EFIAPI *stop)(struct kg_efi_pxe *self);
    kg_efi_status(KG_EFIAPI *dhcp)(struct kg_efi_pxe *self, bool sort_offers);
    void *discover;
    kg_efi_status(KG_EFIAPI *mtftp)(struct kg_efi_pxe *self, uint32_t operation, void *buffer, bool overwrite,
                                    uint64_t *size, const uint64_t *block_size, const union kg_efi_address *server,
                                    const uint8_t *name, const void *info, bool no_buffer);
    void *udp_write, *udp_read, *set_ip_filter, *arp, *set_parameters;
    kg_efi_status(KG_EFIAPI *set_station)(struct kg_efi_pxe *self, const union kg_efi_address *station,
                                          const union kg_efi_address *subnet_mask);
    void *set_packets;
    const struct kg_efi_pxe_mode *mode;
};

struct kg_efi_service_binding { /* 11.6 */
    kg_efi_status(KG_EFIAPI *create_child)(struct kg_efi_service_binding *self, kg_efi_handle *child);
    kg_efi_status(KG_EFIAPI *destroy_child)(struct kg_efi_service_binding *self, kg_efi_handle child);
};

struct kg_efi_mtftp4_config { /* 30.3 */
    bool use_default;
    uint8_t station[4], subnet_mask[4];
    uint16_t local_port; /* 0: any */
    uint8_t gateway[4], server[4];
    uint16_t server_port; /* 0: 69 */
    uint16_t tries, timeout_s;
};

struct kg_efi_mtftp4_option {
    const char *name, *value;
};

struct kg_efi_mtftp4;
struct kg_efi_mtftp4_token;

/* Hears of a packet, as it came. An error ends the transfer, and tells the server so. */
typedef kg_efi_status(KG_EFIAPI *kg_efi_mtftp4_hear)(struct kg_efi_mtftp4 *self, struct kg_efi_mtftp4_token *token,
                                                     uint16_t size, const uint8_t *packet);

struct kg_efi_mtftp4_token {
    kg_efi_status status;
    kg_efi_event event;
    const void *override;
    const char *file, *mode;
    uint32_t n_options;
    const struct kg_efi_mtftp4_option *options;
    uint64_t size;
    void *buffer; /* NULL: `hear` takes the bytes */
    void *context;
    kg_efi_mtftp4_hear hear;
    void *on_timeout, *packet_needed;
};

struct kg_efi_mtftp4 {
    void *get_mode_data;
    kg_efi_status(KG_EFIAPI *configure)(struct kg_efi_mtftp4 *self, const struct kg_efi_mtftp4_config *config);
    kg_efi_status(KG_EFIAPI *get_info)(struct kg_efi_mtftp4 *self, const void *override, const char *file,
                                       const char *mode, uint8_t n_options, const struct kg_efi_mtftp4_option *options,
                                       uint32_t *size, uint8_t **packet); /* free with free_pool */
    kg_efi_status(KG_EFIAPI *parse_options)(struct kg_efi_mtftp4 *self, uint32_t size, const uint8_t *packet,
                                            uint32_t *n_options,
                                            struct kg_efi_mtftp4_option **options); /* free with free_pool */
    kg_efi_status(KG_EFIAPI *read_file)(struct kg_efi_mtftp4 *self, struct kg_efi_mtftp4_token *token);
    void *write_file, *read_directory;
    kg_efi_status(KG_EFIAPI *poll)(struct kg_efi_mtftp4 *self);
};

struct kg_efi_ip4_config2 { /* 28.5 */
    kg_efi_status(KG_EFIAPI *set_data)(struct kg_efi_ip4_config2 *self, uint32_t type, uint64_t size, const void *data);
    kg_efi_status(KG_EFIAPI *get_data)(struct kg_efi_ip4_config2 *self, uint32_t type, uint64_t *size, void *data);
    void *register_notify, *unregister_notify;
};

struct kg_efi_http_ipv4 { /* 29.6 */
    bool use_default_address;
    uint8_t address[4], subnet_mask[4];
    uint16_t port;
};

struct kg_efi_http_config {
    uint32_t version; /* 0: HTTP/1.0, 1: HTTP/1.1 */
    uint32_t timeout_ms;
    bool is_ipv6;
    const void *access; /* struct kg_efi_http_ipv4, if not IPv6 */
};

struct kg_efi_http_request {
    uint32_t method; /* 0: GET, 5: HEAD */
    const uint16_t *url;
};

struct kg_efi_http_response {
    uint32_t status; /* an enumeration: 3 is 200 OK, 9 is 206 Partial Content, 21 is 404 Not Found */
};

struct kg_efi_http_header {
    char *name, *value;
};

struct kg_efi_http_message {
    void *request_or_response; /* struct kg_efi_http_request, kg_efi_http_response; NULL: more of the body */
    uint64_t n_headers;
    struct kg_efi_http_header *headers;
    uint64_t body_size;
    void *body;
};

struct kg_efi_http_token {
    kg_efi_event event;
    kg_efi_status status;
    struct kg_efi_http_message *message;
};

struct kg_efi_http {
    void *get_mode_data;
    kg_efi_status(KG_EFIAPI *configure)(struct kg_efi_http *self, const struct kg_efi_http_config *config);
    kg_efi_status(KG_EFIAPI *request)(struct kg_efi_http *self, struct kg_efi_http_token *token);
    kg_efi_status(KG_EFIAPI *cancel)(struct kg_efi_http *self, struct kg_efi_http_token *token);
    kg_efi_status(KG_EFIAPI *response)(struct kg_efi_http *self, struct kg_efi_http_token *token);
    kg_efi_status(KG_EFIAPI *poll)(struct kg_efi_http *self);
};

#endif
