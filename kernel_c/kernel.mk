# The kernel and the hosted program: the only list of C sources and of compiler flags. Driven by kgpt_build/kernel/makefile.py:
#   make -f kernel_c/kernel.mk ROOT=… OUT=… GEN=… TARGET=bare|hosted TOOLCHAIN=zig|clang|gcc CC=… CCMAP=… LD=… DEBUG=0|1
#       TRAIN=0|1 LM=0|1 SANITIZE=… VERSION=…
# ROOT holds kernel_c, boot and linker; GEN the headers generated from the model; CCMAP hides where the compiler and its own
# headers lie; OUT takes everything that is made.
# Recipes run in ROOT with relative source paths, so that no directory name reaches an object.

ifneq ($(realpath $(CURDIR)),$(realpath $(ROOT)))
.PHONY: all
all:
	@$(MAKE) --no-print-directory -C $(ROOT) -f kernel_c/kernel.mk
else

# The engine and the application: compiled once, freestanding, linked into the kernel and into the hosted program.
ENGINE := \
    app/bench.c \
    app/shell/commands.c \
    app/cmdline/cmdline.c \
    app/cmdline/cmdline_test.c \
    app/cmdline/options.c \
    app/cpus.c \
    app/events/events.c \
    app/generation.c \
    app/shell/input.c \
    app/shell/lineedit.c \
    app/shell/lineedit_draw.c \
    app/shell/lineedit_history.c \
    app/main.c \
    app/events/print.c \
    app/shell/reader.c \
    app/events/report.c \
    app/selftest.c \
    app/shell/shell.c \
    app/events/statusline.c \
    app/chat/texts.c \
    app/events/verdict.c \
    app/cmdline/words.c \
    console/font.c \
    console/keyboard.c \
    console/pixels.c \
    console/terminal.c \
    console/writer.c \
    core/acpi.c \
    core/acpi_cpus.c \
    core/acpi_fadt.c \
    core/acpi_s5.c \
    core/arena.c \
    core/arena_test.c \
    core/cpu.c \
    core/cpu_test.c \
    core/crc32.c \
    core/crc32_test.c \
    core/error.c \
    core/event.c \
    core/format.c \
    core/format_test.c \
    core/json.c \
    core/json_test.c \
    math/math.c \
    math/math_test.c \
    core/parse.c \
    core/parse_test.c \
    math/random.c \
    math/random_test.c \
    core/str.c \
    core/str_test.c \
    core/test.c \
    core/utf8.c \
    core/utf8_test.c \
    engine/forward.c \
    engine/generate.c \
    engine/generate_test.c \
    engine/model.c \
    engine/model_test.c \
    engine/sampler.c \
    engine/sampler_test.c \
    engine/session.c \
    engine/session_test.c \
    engine/test_model.c \
    ops/matmul_test.c \
    ops/ops.c \
    ops/ref/matmul_ref.c \
    tokenizer/char.c \
    tokenizer/char_test.c \
    train/shape.c

# Self-tests of what hosted tests try harder: in the larger images, where they are not half of the code.
MORE_TESTS := app/shell/lineedit_test.c core/acpi_test.c console/keyboard_test.c console/pixels_test.c console/terminal_test.c

# What mode=train needs, in images that have it (TRAIN=1): the others stay half as large.
TRAIN_ENGINE := \
    app/training/fast_parallel.c \
    app/training/trainer.c \
    app/training/training.c \
    app/training/training_curve.c \
    app/training/training_documents.c \
    app/training/training_log.c \
    app/training/training_loss.c \
    app/training/training_weights.c \
    math/dmath.c \
    math/dmath_test.c \
    math/dmath_trig.c \
    math/mt19937.c \
    math/mt19937_test.c \
    train/blob.c \
    train/corpus.c \
    train/corpus_test.c \
    train/exact.c \
    train/exact_adam.c \
    train/exact_attention.c \
    train/exact_backward.c \
    train/exact_c.c \
    train/exact_forward.c \
    train/exact_sample.c \
    train/exact_state.c \
    train/exact_test.c \
    train/fast.c \
    train/fast_batch.c \
    train/fast_c.c \
    train/fast_memory.c \
    train/fast_state.c \
    train/fast_test.c

# What language models from GGUF files need, in images that have it (LM=1).
LM_FORMATS := \
    formats/cursor.c \
    formats/gguf.c \
    formats/gguf_index.c \
    formats/gguf_read.c \
    formats/gguf_tensors.c \
    formats/gguf_test.c \
    formats/gguf_values.c
LM_QUANT := \
    ops/quant/act.c \
    ops/quant/float_ref.c \
    ops/quant/float_sse2.c \
    ops/quant/q8_swar.c \
    ops/quant/q8k_swar.c \
    ops/quant/quant.c \
    ops/quant/quant_test.c \
    ops/quant/ref.c \
    ops/quant/types.c \
    ops/quant/unpack.c
LM_QUANT_AVX2 := ops/quant/act_avx2.c ops/quant/float_avx2.c ops/quant/q8_avx2.c ops/quant/q8k_avx2.c
LM_TOKENIZER := \
    tokenizer/bpe.c \
    tokenizer/merge.c \
    tokenizer/pretokenize.c \
    tokenizer/pretokenize_rules.c \
    tokenizer/spm.c \
    tokenizer/unicode.c \
    tokenizer/vocab.c \
    tokenizer/vocab_char.c \
    tokenizer/vocab_encode.c \
    tokenizer/vocab_hash.c \
    tokenizer/vocab_read.c \
    tokenizer/vocab_special.c \
    tokenizer/vocab_test.c
LM_ENGINE := \
    infer/arch.c \
    infer/attention.c \
    infer/forward.c \
    infer/kv.c \
    infer/lm_fields.c \
    infer/lm_hparams.c \
    infer/lm_model.c \
    infer/lm_tensors.c \
    infer/lm_test.c \
    infer/rope.c \
    infer/rows.c \
    infer/session.c \
    infer/test_gguf.c \
    infer/vector.c
LM_CHAT := \
    infer/chat.c \
    infer/chat_reply.c \
    infer/chat_test.c \
    infer/lm_sampler.c \
    infer/lm_sampler_test.c \
    infer/stream.c \
    infer/stream_test.c
LM_APP := app/lm.c app/lm_bench.c app/chat/lm_chat.c app/chat/lm_chat_commands.c app/chat/lm_chat_read.c app/cmdline/lm_options.c app/events/lm_events.c app/chat/lm_reply.c app/shell/lm_shell.c app/chat/lm_texts.c
LM_MATH := math/dmath.c math/dmath_trig.c
LM_CORE := core/crc32_long.c core/crc32_long_test.c

# What checks boot modules, in images that are given some.
ENGINE_MODULES := app/module.c core/sha256.c core/sha256_test.c
ENGINE_SHA := core/sha256_sha.c

# The shell's view of devices, in kernels that have drivers: the smaller ones have no room for them.
ENGINE_DEVICES := app/shell/devices.c

MODEL := app/model_data.c

# Per-ISA files: the suffix chooses the flags, run-time dispatch chooses the function.
ENGINE_AVX2 := ops/x86/matmul_avx2.c
ENGINE_AVX512 := ops/x86/matmul_avx512.c
TRAIN_AVX2 := train/exact_avx2.c
TRAIN_FMA := train/fast_avx2.c
TRAIN_AVX512 := train/fast_avx512.c

TRAIN ?= 0
ifeq ($(TRAIN),1)
ENGINE += $(TRAIN_ENGINE)
MODEL += app/corpus_data.c
ENGINE_AVX2 += $(TRAIN_AVX2)
ENGINE_FMA := $(TRAIN_FMA)
ENGINE_AVX512 += $(TRAIN_AVX512)
else
ENGINE += app/training/training_absent.c
ENGINE_FMA :=
endif

LM ?= 0
ifeq ($(LM),1)
ENGINE += $(LM_FORMATS) $(LM_QUANT) $(LM_TOKENIZER) $(LM_ENGINE) $(LM_CHAT) $(LM_CORE) $(LM_APP) $(if $(filter 1,$(TRAIN)),,$(LM_MATH))
ENGINE_AVX2 += $(LM_QUANT_AVX2)
else
ENGINE += app/micro.c app/shell/micro_shell.c
endif

# Of the engine, what is not on the way of a token.
SMALL := core/acpi.c core/acpi_cpus.c core/acpi_fadt.c core/acpi_s5.c core/arena.c core/cpu.c core/error.c core/event.c core/format.c core/json.c core/parse.c core/str.c core/test.c core/utf8.c \
    engine/model.c engine/session.c engine/test_model.c tokenizer/char.c train/shape.c

TAKES_MODULES := $(filter 1,$(TRAIN) $(LM))
ENGINE += $(if $(TAKES_MODULES),$(ENGINE_MODULES) $(MORE_TESTS) $(ENGINE_DEVICES),app/shell/devices_absent.c)

# What compilers call on their own account; a hosted process has it from its C library.
RUNTIME := core/memory.c

BARE := \
    platform/x86_64/apic.c \
    platform/boot/boot_info.c \
    platform/pc/console.c \
    platform/pc/debugcon.c \
    platform/x86_64/fault.c \
    platform/pc/firmware.c \
    platform/x86_64/fpu.c \
    platform/x86_64/gdt.c \
    platform/pc/hpet.c \
    platform/pc/i8042.c \
    platform/x86_64/idle.c \
    platform/x86_64/interrupts.c \
    platform/common/memory.c \
    platform/x86_64/mtrr.c \
    platform/boot/multiboot1.c \
    platform/boot/multiboot2.c \
    platform/x86_64/paging.c \
    platform/common/panic.c \
    platform/common/parallel.c \
    platform/pc/pit.c \
    platform/pc/pmtimer.c \
    platform/pc/power.c \
    platform/boot/pvh.c \
    platform/common/screen.c \
    platform/pc/serial.c \
    platform/x86_64/smp.c \
    platform/x86_64/start.c \
    platform/x86_64/timer.c \
    platform/pc/vga.c
# What drives devices, in the kernels that have room for it (TRAIN=1, LM=1).
DRIVERS := \
    core/acpi_pci.c \
    platform/drivers/bus/pci.c \
    platform/drivers/devices.c \
    platform/drivers/table.c \
    platform/drivers/virtio/rng.c \
    platform/drivers/virtio/virtio_pci.c \
    platform/drivers/virtio/virtqueue.c \
    platform/pc/pci_config.c
BARE += $(if $(TAKES_MODULES),$(DRIVERS),platform/drivers/absent.c)
BARE_ASM := boot/ap.S boot/entry.S kernel_c/platform/x86_64/isr.S
LINKER_SCRIPT := linker/kernel.ld

HOSTED := \
    platform/linux/console.c \
    platform/linux/machine.c \
    platform/linux/main.c \
    platform/linux/threads.c
HOSTED_LINKER_SCRIPT := linker/hosted.ld

TARGET ?= bare
DEBUG ?= 0
SANITIZE ?=

TRIPLE_zig := -target x86_64-freestanding-none -mcpu=x86_64 -fno-sanitize=all
TRIPLE_clang := --target=$(if $(SANITIZE),x86_64-linux-gnu,x86_64-unknown-none-elf) -march=x86-64
# gcc takes a read of a low address (the BIOS data area) for a mistake unless told that there are pages.
TRIPLE_gcc := -march=x86-64 --param=min-pagesize=0

# No directory of this machine reaches an object; of two maps that fit (GEN or the compiler below ROOT), the later one counts.
# -ffp-contract=off and no fast-math: a float addition happens where and in the order that the source says.
COMMON := -std=gnu11 $(if $(filter 1,$(DEBUG)),-O0,-O2) -g -gdwarf-4 -Wall -Wextra -Werror -fno-strict-aliasing \
    -ffp-contract=off -fno-math-errno -fno-omit-frame-pointer -fno-optimize-sibling-calls -ffunction-sections -fdata-sections \
    -ffile-prefix-map=$(realpath $(ROOT))=. -ffile-prefix-map=$(GEN)=generated $(CCMAP) -Ikernel_c/include -Ikernel_c $(if $(filter 1,$(LM)),-DKG_LINE_MAX=4096)
FREESTANDING := $(COMMON) $(TRIPLE_$(TOOLCHAIN)) -ffreestanding -fno-builtin -fno-pic -fno-pie -mcmodel=small -mno-red-zone \
    -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
# Nothing of platform/ but linux/ may touch an FP register: it runs before the FPU is on, and in the panic path.
BARE_FLAGS := $(FREESTANDING) -mgeneral-regs-only
AVX2_FLAGS := -mavx2
# zig knows no size below -Os; its clang does.
SMALL_FLAGS := $(if $(filter 1,$(DEBUG)),,-Os $(if $(filter zig,$(TOOLCHAIN)),-Xclang) $(if $(filter gcc,$(TOOLCHAIN)),,-Oz))
SWAR_FLAGS := -fno-tree-vectorize -fno-tree-slp-vectorize
F16C_FLAGS := -mavx2 -mf16c
SHA_FLAGS := -msha -mssse3 -msse4.1
FMA_FLAGS := -mavx2 -mfma
AVX512_FLAGS := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512

# Dynamic for zig: from a cold cache it makes what links against glibc in a quarter of the time that a static musl takes.
HOSTED_TRIPLE_zig := -target x86_64-linux-gnu.2.28 -mcpu=x86_64 -fno-sanitize=all
HOSTED_FLAGS = $(COMMON) -pthread $(HOSTED_TRIPLE_$(TOOLCHAIN)) -D_GNU_SOURCE $(if $(filter zig,$(TOOLCHAIN)),,-fno-pic -fno-pie)
HOSTED_LINK = -pthread $(HOSTED_TRIPLE_$(TOOLCHAIN)) $(if $(SANITIZE)$(filter zig,$(TOOLCHAIN)),-no-pie,-static)

OBJ := $(OUT)/obj
objects = $(patsubst %,$(OBJ)/%.o,$(basename $(1)))
ENGINE_OBJECTS := $(call objects,$(addprefix kernel_c/,$(ENGINE)))
AVX2_OBJECTS := $(call objects,$(addprefix kernel_c/,$(ENGINE_AVX2)))
SHA_OBJECTS := $(if $(TAKES_MODULES),$(call objects,$(addprefix kernel_c/,$(ENGINE_SHA))))
FMA_OBJECTS := $(call objects,$(addprefix kernel_c/,$(ENGINE_FMA)))
AVX512_OBJECTS := $(call objects,$(addprefix kernel_c/,$(ENGINE_AVX512)))
MODEL_OBJECTS := $(call objects,$(addprefix kernel_c/,$(MODEL)))
RUNTIME_OBJECTS := $(call objects,$(addprefix kernel_c/,$(RUNTIME)))
BARE_OBJECTS := $(call objects,$(addprefix kernel_c/,$(BARE)) $(BARE_ASM))
HOSTED_OBJECTS := $(call objects,$(addprefix kernel_c/,$(HOSTED)))
SHARED_OBJECTS := $(ENGINE_OBJECTS) $(SHA_OBJECTS) $(AVX2_OBJECTS) $(FMA_OBJECTS) $(AVX512_OBJECTS) $(MODEL_OBJECTS)
ALL_OBJECTS := $(SHARED_OBJECTS) $(if $(filter bare,$(TARGET)),$(RUNTIME_OBJECTS) $(BARE_OBJECTS),$(HOSTED_OBJECTS))

.PHONY: all
.DELETE_ON_ERROR:
all: $(if $(filter bare,$(TARGET)),$(OUT)/kernel.elf,$(OUT)/kgpt-hosted)

# Changed flags or another compiler make everything anew.
FLAGS_TEXT := $(CC) | $(LD) | $(FREESTANDING) | $(SANITIZER) | $(AVX2_FLAGS) | $(SHA_FLAGS) | $(F16C_FLAGS) | $(SWAR_FLAGS) | $(FMA_FLAGS) | $(AVX512_FLAGS) | $(SMALL_FLAGS) | $(HOSTED_FLAGS)
ifneq ($(file <$(OBJ)/flags),$(FLAGS_TEXT))
$(shell mkdir -p $(OBJ))
$(file >$(OBJ)/flags,$(FLAGS_TEXT))
endif

$(OUT)/kernel.elf: $(ALL_OBJECTS) $(LINKER_SCRIPT)
	$(LD) -m elf_x86_64 -static -nostdlib --build-id=none -z noexecstack -z max-page-size=4096 -z norelro \
	    --gc-sections -T $(LINKER_SCRIPT) -o $@ $(ALL_OBJECTS)

$(OUT)/kgpt-hosted: $(ALL_OBJECTS) $(HOSTED_LINKER_SCRIPT)
	$(CC) $(HOSTED_LINK) $(SANITIZER) -o $@ $(ALL_OBJECTS) -Wl,-T,$(HOSTED_LINKER_SCRIPT)

$(ENGINE_OBJECTS) $(RUNTIME_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER)
# What is not the engine's arithmetic runs rarely or waits for it, or for a person: small rather than fast.
SMALL_OBJECTS := $(filter %_test.o $(OBJ)/kernel_c/app/% $(OBJ)/kernel_c/console/%,$(ENGINE_OBJECTS)) \
    $(filter $(call objects,$(addprefix kernel_c/,$(SMALL))),$(ENGINE_OBJECTS))
$(SMALL_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER) $(SMALL_FLAGS)
# Words that hold several numbers are vectors already.
$(filter %_swar.o,$(ENGINE_OBJECTS)): FLAGS = $(FREESTANDING) $(SANITIZER) $(SWAR_FLAGS)
$(MODEL_OBJECTS): FLAGS = $(FREESTANDING) -I$(GEN) -Wa,-I$(GEN)
$(filter %/tokenizer/unicode.o,$(ENGINE_OBJECTS)): FLAGS = $(FREESTANDING) $(SANITIZER) -I$(GEN)
$(SHA_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER) $(SHA_FLAGS)
# The screen is for panics too, which touch no FP register.
$(filter $(OBJ)/kernel_c/console/%,$(ENGINE_OBJECTS)): FLAGS = $(FREESTANDING) $(SANITIZER) -mgeneral-regs-only -I$(GEN) $(SMALL_FLAGS)
$(AVX2_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER) $(AVX2_FLAGS)
$(filter $(OBJ)/kernel_c/ops/quant/%,$(AVX2_OBJECTS)): FLAGS = $(FREESTANDING) $(SANITIZER) $(F16C_FLAGS)
$(FMA_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER) $(FMA_FLAGS)
$(AVX512_OBJECTS): FLAGS = $(FREESTANDING) $(SANITIZER) $(AVX512_FLAGS)
$(BARE_OBJECTS): FLAGS = $(BARE_FLAGS) $(SMALL_FLAGS)
$(HOSTED_OBJECTS): FLAGS = $(HOSTED_FLAGS) $(SANITIZER)

$(OBJ)/%.o: %.c $(OBJ)/flags kernel_c/kernel.mk
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(OBJ)/%.o: %.S $(OBJ)/flags kernel_c/kernel.mk
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

-include $(ALL_OBJECTS:.o=.d)

endif
