# Builds the kernel and the hosted program. kgpt_build/kernel/makefile.py runs it:
#   make -f kernel_c/kernel.mk ROOT=… OUT=… GEN=… TARGET=bare|hosted TOOLCHAIN=zig|clang|gcc CC=… CCMAP=… LD=…
#       DEBUG=0|1 ARCH=x86_64 TRAIN=0|1 LM=0|1 DRIVERS=0|1 EFI=0|1 SANITIZE=… VERSION=…
# ROOT contains kernel_c, boot and linker. GEN contains the headers generated from the model. CCMAP maps the directories
# of the compiler. OUT receives all outputs.
# Recipes run in ROOT with relative source paths, so that objects contain no directory names.

ifneq ($(realpath $(CURDIR)),$(realpath $(ROOT)))
.PHONY: all
all:
	@$(MAKE) --no-print-directory -C $(ROOT) -f kernel_c/kernel.mk
else

# For each architecture: rooms, entry code, linker script, and target flags of compilers and linker.
ARCH ?= x86_64
ROOMS_x86_64 := core/x86 ops/x86 ops/quant/avx2 ops/quant/avx512 ops/quant/avxvnni platform/boot/pc \
    platform/linux/x86_64 platform/pc platform/x86_64 train/x86 uefi/x86_64
ENTRY_x86_64 := boot/ap.S boot/entry.S
LINKER_SCRIPT_x86_64 := linker/kernel.ld
EMULATION_x86_64 := elf_x86_64
TRIPLE_x86_64_zig := -target x86_64-freestanding-none -mcpu=x86_64 -fno-sanitize=all
TRIPLE_x86_64_clang = --target=$(if $(SANITIZE),x86_64-linux-gnu,x86_64-unknown-none-elf) -march=x86-64
# Without min-pagesize=0 gcc warns about reads of low addresses (the BIOS data area).
TRIPLE_x86_64_gcc := -march=x86-64 --param=min-pagesize=0
# zig links dynamically: with a cold cache glibc stubs build in a quarter of the time of a static musl.
HOSTED_TRIPLE_x86_64_zig := -target x86_64-linux-gnu.2.28 -mcpu=x86_64 -fno-sanitize=all
FREESTANDING_x86_64 := -mcmodel=small -mno-red-zone -fcf-protection=none
NO_FP_FLAGS_x86_64 := -mgeneral-regs-only
SUFFIXES_x86_64 := avx2 avx512 avxvnni avx512vnni clmul sha
AVX512_FLAGS := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
FLAGS_x86_64_avx2 := -mavx2
FLAGS_x86_64_avx512 := $(AVX512_FLAGS)
FLAGS_x86_64_avxvnni := -mavx2 -mf16c -mavxvnni
FLAGS_x86_64_avx512vnni := $(AVX512_FLAGS) -mavx512vnni
FLAGS_x86_64_clmul := -mpclmul -msse4.1
FLAGS_x86_64_sha := -msha -mssse3 -msse4.1

ROOMS_aarch64 := core/aarch64 ops/aarch64 ops/aarch64/quant platform/aarch64 platform/boot/tree \
    platform/linux/aarch64 platform/virt platform/virt/facts train/aarch64 uefi/aarch64
ENTRY_aarch64 := boot/aarch64/entry.S
LINKER_SCRIPT_aarch64 := linker/aarch64.ld
EMULATION_aarch64 := aarch64linux
# The kernel moves itself (boot/aarch64/entry.S): the linker lists the addresses in it, also those in constants.
LINK_aarch64 := -pie --no-dynamic-linker --pack-dyn-relocs=relr -z notext
# `char` is signed, as on x86-64.
TRIPLE_aarch64_zig := -target aarch64-freestanding-none -mcpu=generic -fno-sanitize=all -fsigned-char
TRIPLE_aarch64_clang := --target=aarch64-unknown-none-elf -march=armv8-a -fsigned-char
TRIPLE_aarch64_gcc := -march=armv8-a -fsigned-char
# Linked statically, so that an emulator of the processor needs no C library beside the program.
HOSTED_TRIPLE_aarch64_zig := -target aarch64-linux-musl -mcpu=generic -fno-sanitize=all -fsigned-char
HOSTED_TRIPLE_aarch64_clang := --target=aarch64-linux-gnu -march=armv8-a -fsigned-char
HOSTED_TRIPLE_aarch64_gcc := $(TRIPLE_aarch64_gcc)
FREESTANDING_aarch64 := -mcmodel=small -mno-outline-atomics
NO_FP_FLAGS_aarch64 := -mgeneral-regs-only
SUFFIXES_aarch64 := crc dotprod i8mm sha
# zig takes features of a processor only so; the other compilers take them as a part of -march.
FEATURES_aarch64 = $(if $(filter zig,$(TOOLCHAIN)),$(foreach name,$(1),-Xclang -target-feature -Xclang +$(name)), \
    -march=$(2)$(subst $() ,,$(foreach name,$(1),+$(name))))
FLAGS_aarch64_crc = $(call FEATURES_aarch64,crc,armv8-a)
FLAGS_aarch64_dotprod = $(call FEATURES_aarch64,dotprod,armv8.2-a)
FLAGS_aarch64_i8mm = $(call FEATURES_aarch64,dotprod i8mm,armv8.2-a)
# The arm_neon.h of gcc 12 gives SHA-256's instructions to those who have AES's, too.
FLAGS_aarch64_sha = $(call FEATURES_aarch64,$(if $(filter gcc,$(TOOLCHAIN)),crypto,sha2),armv8-a)
$(if $(LINKER_SCRIPT_$(ARCH)),,$(error ARCH=$(ARCH): there is no row for it in kernel.mk))

# Each room lists its sources in its room.mk, by the kernels that need them:
#   ENGINE          compiled once, freestanding, linked into the kernel and into the hosted program
#   ENGINE_NO_LM    only for a microgpt (LM=0)                     ENGINE_LM     only for language models (LM=1)
#   ENGINE_NO_TRAIN only without training (TRAIN=0)                ENGINE_TRAIN  only with training (TRAIN=1)
#   ENGINE_LARGE    LM=1 or TRAIN=1: checks of boot modules, and self-tests that hosted tests cover in more depth
#   ENGINE_NO_LARGE LM=0 and TRAIN=0: kernels that must stay small
#   MODEL           compiled against the generated headers         MODEL_TRAIN   the same, TRAIN=1
#   BARE            the machine, in kernels                        HOSTED        a process
#   BARE_DRIVERS    drivers: LM=1, TRAIN=1 or DRIVERS=1            BARE_NO_DRIVERS replacements for drivers, otherwise
#   BARE_NET        network cards: LM=1                            BARE_NO_NET   their replacement: LM=0
#   UEFI            the UEFI application of kgpt.efi, position-independent (EFI=1)
#   RUNTIME         functions that compilers call implicitly, in kernels: a process has them in its C library
# The suffix of a name selects the instructions that a file may use (SUFFIXES of the architecture: _avx2, _sha, …);
# run-time dispatch selects the function. These lists hold names, or patterns with %, of files with other special
# flags:
#   SMALL           not executed once per token: optimized for size
#   SHORT_LOOPS     its loops are short: registers are not spent on them
#   BRANCHES        its switches become branches: tables of addresses would be larger
#   NO_FP           must not use FP registers
#   GENERATED       includes a generated header
#   FMA F16C        files _avx2 that may use these instructions too
ROOMS := app app/chat app/cmdline app/disks app/events app/explain app/jitter app/network app/run app/server \
    app/server/answers app/server/api app/server/chat app/server/link app/server/modbus app/shell app/training \
    app/training/report app/training/steps console core core/acpi core/digest core/json disk engine formats http \
    infer infer/attention infer/chat infer/constrain infer/constrain/grammar infer/constrain/schema infer/reply \
    infer/speculate math modbus net net/ip net/tcp ops ops/attention ops/quant ops/quant/swar ops/ref \
    platform/boot platform/common platform/drivers platform/drivers/block platform/drivers/bus \
    platform/drivers/net platform/drivers/usb platform/drivers/virtio loader platform/linux store tokenizer \
    train train/dense train/exact train/fast uefi uefi/files uefi/menu uefi/screen \
    $(ROOMS_$(ARCH))
ROOM_FILES := $(patsubst %,kernel_c/%/room.mk,$(ROOMS))
GROUPS := ENGINE ENGINE_NO_LM ENGINE_LM ENGINE_NO_TRAIN ENGINE_TRAIN ENGINE_LARGE ENGINE_NO_LARGE MODEL MODEL_TRAIN \
    BARE BARE_DRIVERS BARE_NO_DRIVERS BARE_NET BARE_NO_NET HOSTED RUNTIME UEFI SMALL SHORT_LOOPS BRANCHES NO_FP \
    GENERATED FMA F16C
$(foreach group,$(GROUPS),$(eval $(group) :=))
include $(ROOM_FILES)

TRAIN ?= 0
LM ?= 0
DRIVERS ?= 0
EFI ?= 0
ENGINE += $(if $(filter 1,$(LM)),$(ENGINE_LM),$(ENGINE_NO_LM)) \
    $(if $(filter 1,$(TRAIN)),$(ENGINE_TRAIN),$(ENGINE_NO_TRAIN)) \
    $(if $(filter 1,$(LM) $(TRAIN)),$(ENGINE_LARGE),$(ENGINE_NO_LARGE))
BARE += $(if $(filter 1,$(LM) $(TRAIN) $(DRIVERS)),$(BARE_DRIVERS),$(BARE_NO_DRIVERS)) \
    $(if $(filter 1,$(LM)),$(BARE_NET),$(BARE_NO_NET))
MODEL += $(if $(filter 1,$(TRAIN)),$(MODEL_TRAIN))
HOSTED_LINKER_SCRIPT := linker/hosted.ld
UEFI_LINKER_SCRIPT := linker/uefi.ld

TARGET ?= bare
DEBUG ?= 0
SANITIZE ?=

# Prefix maps keep directory names out of objects. If two maps match (GEN or the compiler below ROOT), the
# later one wins.
# -ffp-contract=off and no fast-math: float operations keep the order of the source.
COMMON := -std=gnu11 $(if $(filter 1,$(DEBUG)),-O0,-O2) -g -gdwarf-4 -Wall -Wextra -Werror -fno-strict-aliasing \
    -ffp-contract=off -fno-math-errno -fno-omit-frame-pointer -fno-optimize-sibling-calls \
    -ffunction-sections -fdata-sections -ffile-prefix-map=$(realpath $(ROOT))=. -ffile-prefix-map=$(GEN)=generated \
    $(CCMAP) -Ikernel_c/include -Ikernel_c $(if $(filter 1,$(LM)),-DKG_LINE_MAX=4096 -DKG_FONT_FULL)
FREESTANDING := $(COMMON) $(TRIPLE_$(ARCH)_$(TOOLCHAIN)) -ffreestanding -fno-builtin -fno-pic -fno-pie \
    $(FREESTANDING_$(ARCH)) -fno-stack-protector -fno-asynchronous-unwind-tables
# Firmware has enabled FP registers (UEFI Specification 2.10, section 2.3.4), and core/ uses them.
UEFI_FLAGS = $(filter-out -fno-pic -fno-pie,$(FREESTANDING)) -fpie -include uefi/hidden.h $(SMALL_FLAGS)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
# Platform code runs before the FPU is enabled and during a panic, so it must not use FP registers.
NO_FP_FLAGS := $(NO_FP_FLAGS_$(ARCH))
# zig has no -Oz option; -Xclang passes it to its clang.
SMALL_FLAGS := $(if $(filter 1,$(DEBUG)),,-Os \
    $(if $(filter zig,$(TOOLCHAIN)),-Xclang) $(if $(filter gcc,$(TOOLCHAIN)),,-Oz))
# Passes that keep in registers what a loop computes again: prologues get longer.
SHORT_LOOPS_FLAGS := $(if $(filter gcc,$(TOOLCHAIN)),,-mllvm -disable-lsr -mllvm -disable-machine-licm)
SWAR_FLAGS := -fno-tree-vectorize -fno-tree-slp-vectorize
F16C_FLAGS := -mf16c
FMA_FLAGS := -mfma

HOSTED_FLAGS = $(COMMON) -pthread $(HOSTED_TRIPLE_$(ARCH)_$(TOOLCHAIN)) -D_GNU_SOURCE \
    $(if $(filter zig,$(TOOLCHAIN)),,-fno-pic -fno-pie)
HOSTED_LINK = -pthread $(HOSTED_TRIPLE_$(ARCH)_$(TOOLCHAIN)) \
    $(if $(SANITIZE)$(findstring x86_64-linux-gnu,$(HOSTED_TRIPLE_$(ARCH)_$(TOOLCHAIN))),-no-pie,-static)

OBJ := $(OUT)/obj
# Objects are linked in the order of their names, independent of their groups.
objects = $(patsubst %,$(OBJ)/kernel_c/%.o,$(basename $(sort $(1))))
having = $(call objects,$(filter $(1),$(ENGINE)))
ENGINE_OBJECTS := $(call objects,$(ENGINE))
MODEL_OBJECTS := $(call objects,$(MODEL))
RUNTIME_OBJECTS := $(call objects,$(RUNTIME))
BARE_OBJECTS := $(call objects,$(BARE)) $(patsubst %.S,$(OBJ)/%.o,$(ENTRY_$(ARCH)))
HOSTED_OBJECTS := $(call objects,$(HOSTED))
ALL_OBJECTS := $(ENGINE_OBJECTS) $(MODEL_OBJECTS) \
    $(if $(filter bare,$(TARGET)),$(RUNTIME_OBJECTS) $(BARE_OBJECTS),$(HOSTED_OBJECTS))
LINKER_SCRIPT := $(LINKER_SCRIPT_$(ARCH))
UEFI_OBJECTS := $(patsubst %,$(OBJ)/uefi/kernel_c/%.o,$(basename $(sort $(UEFI))))

.PHONY: all
.DELETE_ON_ERROR:
all: $(if $(filter bare,$(TARGET)),$(OUT)/kernel.elf $(if $(filter 1,$(EFI)),$(OUT)/uefi.elf $(OUT)/addresses.elf), \
    $(OUT)/kgpt-hosted)

# Changed flags or another compiler rebuild everything.
FLAGS_TEXT := $(CC) | $(LD) | $(FREESTANDING) | $(NO_FP_FLAGS) | $(SANITIZER) | \
    $(foreach suffix,$(SUFFIXES_$(ARCH)),$(FLAGS_$(ARCH)_$(suffix)) |) $(F16C_FLAGS) | $(SWAR_FLAGS) | $(FMA_FLAGS) | \
    $(SMALL_FLAGS) | $(SHORT_LOOPS_FLAGS) | $(HOSTED_FLAGS) | $(UEFI_FLAGS)
ifneq ($(file <$(OBJ)/flags),$(FLAGS_TEXT))
$(shell mkdir -p $(OBJ))
$(file >$(OBJ)/flags,$(FLAGS_TEXT))
endif

LINK_BARE = $(LD) -O2 -m $(EMULATION_$(ARCH)) -static -nostdlib --build-id=none -z noexecstack -z max-page-size=4096 \
    -z norelro --gc-sections

$(OUT)/kernel.elf: $(ALL_OBJECTS) $(LINKER_SCRIPT)
	$(LINK_BARE) $(LINK_$(ARCH)) -T $(LINKER_SCRIPT) -o $@ $(ALL_OBJECTS)

# The same kernel with its relocations: kgpt.efi tells its loader where the kernel holds addresses.
$(OUT)/addresses.elf: $(ALL_OBJECTS) $(LINKER_SCRIPT)
	$(LINK_BARE) $(LINK_$(ARCH)) --emit-relocs --strip-debug -T $(LINKER_SCRIPT) -o $@ $(ALL_OBJECTS)

# GNU ld replaces loads from a GOT by absolute addresses, which the application cannot have, unless told not to.
UEFI_RELATIVE_gcc := --no-relax

# The relocations stay in the file: kgpt_build/kernel/efi.py makes the PE's from them.
$(OUT)/uefi.elf: $(UEFI_OBJECTS) $(UEFI_LINKER_SCRIPT)
	$(LINK_BARE) --emit-relocs $(UEFI_RELATIVE_$(TOOLCHAIN)) -T $(UEFI_LINKER_SCRIPT) -o $@ $(UEFI_OBJECTS)

$(OUT)/kgpt-hosted: $(ALL_OBJECTS) $(HOSTED_LINKER_SCRIPT)
	$(CC) $(HOSTED_LINK) $(SANITIZER) -o $@ $(ALL_OBJECTS) -Wl,-T,$(HOSTED_LINKER_SCRIPT)

$(ENGINE_OBJECTS) $(RUNTIME_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER)
define suffix_flags
$(call having,%_$(1).c): FLAGS += $$(FLAGS_$$(ARCH)_$(1))
endef
$(foreach suffix,$(SUFFIXES_$(ARCH)),$(eval $(call suffix_flags,$(suffix))))
$(call having,$(F16C)): FLAGS += $(F16C_FLAGS)
$(call having,$(FMA)): FLAGS += $(FMA_FLAGS)
# SWAR code is vectorized by hand.
$(call having,%_swar.c): FLAGS += $(SWAR_FLAGS)
$(call having,$(NO_FP)): FLAGS += $(NO_FP_FLAGS)
$(call having,$(GENERATED)): FLAGS += -I$(GEN)
$(call having,$(SMALL) %_test.c): FLAGS += $(SMALL_FLAGS)
$(call having,$(SHORT_LOOPS)): FLAGS += $(SHORT_LOOPS_FLAGS)
$(call having,$(BRANCHES)): FLAGS += -fno-jump-tables
$(MODEL_OBJECTS): FLAGS = $(FREESTANDING) -I$(GEN) -Wa,-I$(GEN)
$(BARE_OBJECTS): FLAGS = $(FREESTANDING) $(NO_FP_FLAGS) $(SMALL_FLAGS)
$(HOSTED_OBJECTS): FLAGS = $(HOSTED_FLAGS) $(SANITIZER)
$(UEFI_OBJECTS): FLAGS = $(UEFI_FLAGS)
$(patsubst %,$(OBJ)/uefi/kernel_c/%.o,$(basename $(filter $(GENERATED),$(UEFI)))): FLAGS += -I$(GEN)
$(OBJ)/uefi/kernel_c/uefi/menu/boot_menu.o: FLAGS += -DKGPT_VERSION='"$(VERSION)"'

$(OBJ)/%.o: %.c $(OBJ)/flags kernel_c/kernel.mk $(ROOM_FILES)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(OBJ)/%.o: %.S $(OBJ)/flags kernel_c/kernel.mk $(ROOM_FILES)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(OBJ)/uefi/%.o: %.c $(OBJ)/flags kernel_c/kernel.mk $(ROOM_FILES)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(OBJ)/uefi/%.o: %.S $(OBJ)/flags kernel_c/kernel.mk $(ROOM_FILES)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

-include $(ALL_OBJECTS:.o=.d) $(UEFI_OBJECTS:.o=.d)

endif
