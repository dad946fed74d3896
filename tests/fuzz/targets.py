"""What is fuzzed: entry points (``LLVMFuzzerTestOneInput``) and the sources that each needs."""

from __future__ import annotations

import fuzz_words
from fuzz_build import SHELL_MODELS, Target
from rooms import listed

_CORE = [f"kernel_c/core/{name}.c" for name in ("digest/crc32", "error", "format", "parse", "str", "utf8")]
_JSON = [f"kernel_c/core/json/{name}.c" for name in ("json_read", "json_value")]
_ARENA = ["tests/fuzz/checked_arena.c", "kernel_c/core/arena_count.c"]
_GGUF = [
    *_ARENA,
    *(f"kernel_c/formats/{name}.c" for name in ("cursor", "gguf", "gguf_index", "gguf_read", "gguf_tensors")),
    "kernel_c/formats/gguf_values.c",
    "kernel_c/ops/quant/types.c",
]
_VOCAB = [
    *(
        f"kernel_c/tokenizer/{name}.c"
        for name in ("bpe", "cases", "llama2c", "merge", "nfc", "pretokenize", "pretokenize_rules", "spm", "unicode")
    ),
    *(f"kernel_c/tokenizer/vocab{name}.c" for name in ("", "_char", "_encode", "_hash", "_read", "_special")),
    *_GGUF,
    *_CORE,
]
_MODEL = [
    *(
        f"kernel_c/infer/{name}.c"
        for name in ("arch", "forward", "kv", "lm_fields", "lm_hparams", "lm_model", "lm_tensors")
    ),
    *listed("ENGINE_LM", rooms=("infer/attention",)),
    *(f"kernel_c/infer/{name}.c" for name in ("pass", "rope", "rows", "session", "vector", "work")),
    *(f"kernel_c/ops/attention/{name}_ref.c" for name in ("attention", "kv")),
    *(f"kernel_c/ops/quant/{name}.c" for name in ("act", "float_ref", "ref", "unpack")),
    *(f"kernel_c/math/{name}.c" for name in ("dmath", "dmath_trig", "math")),
    *_GGUF,
    *_CORE,
]

_GRAMMAR = [
    "tests/fuzz/made_vocab.c",
    *(f"kernel_c/infer/constrain/{name}.c" for name in ("collect", "matcher", "order", "states", "step")),
    *listed("ENGINE_LM", rooms=("infer/constrain/grammar",)),
    *_ARENA,
    *_CORE,
]
_SCHEMA = [
    *(name for name in listed("ENGINE_LM", rooms=("infer/constrain/schema",)) if not name.endswith("/calls.c")),
    *_JSON,
    *_GRAMMAR,
]
_TABLES = (
    *("KG_MATCH_NODES=1024u", "KG_MATCH_PLACES=2048u", "KG_MATCH_STATES=128u", "KG_MATCH_MOVES=32768u"),
    "KG_MATCH_SEEN=1024u",
)
"""Tables of a matcher, of which an input fills little: those of a kernel take longer to clear than it runs."""

_ACPI = [
    *(f"kernel_c/core/acpi/acpi{name}.c" for name in ("", "_arm", "_cpus", "_devices", "_fadt", "_pci", "_s5")),
    "kernel_c/platform/virt/facts/from_acpi.c",
]

_IP = (*listed("ENGINE_LM", rooms=("net/ip",)), *_CORE)
_NET = (
    *(name for name in listed("ENGINE_LM", rooms=("net", "net/ip", "net/tcp")) if not name.endswith("_test.c")),
    *("kernel_c/core/arena.c", "kernel_c/core/arena_count.c", *_CORE),
)

_NUMBERS = (
    *("kernel_c/ops/*", "kernel_c/infer/vector.c", "kernel_c/math/dmath*.c"),
    *("kernel_c/core/digest/crc32.c", "kernel_c/math/math.c", "kernel_c/math/random.c"),
)
"""Sources that compute much and decide nothing."""


def _application() -> tuple[str, ...]:
    """A kernel for language models, without its self-tests and its arena, and the commands for devices; a process's
    server.
    """
    more = (
        *("kernel_c/app/shell/devices.c", "kernel_c/app/shell/cards.c"),
        *("kernel_c/app/network/dialing_process.c", "kernel_c/app/server/link/sockets.c"),
    )
    sources = [*listed("ENGINE", "ENGINE_LM", "ENGINE_LARGE", "ENGINE_NO_TRAIN"), *more]
    return tuple(name for name in sources if not name.endswith(("_test.c", "core/arena.c")))


TARGETS = {
    target.name: target
    for target in (
        Target(
            "gguf",
            ("tests/fuzz/gguf_walk.c", "kernel_c/formats/gguf_peek.c", *_GGUF, *_CORE),
            4096,
            words=fuzz_words.GGUF,
        ),
        Target(
            "cmdline",
            (
                *(
                    f"kernel_c/app/cmdline/{name}.c"
                    for name in ("block_options", "cmdline", "lm_options", "options", "words")
                ),
                "kernel_c/app/explain/layer_list.c",
                *(
                    "kernel_c/train/shape.c",
                    "kernel_c/infer/reply/llama2c_sampler.c",
                    "kernel_c/infer/reply/lm_sampler.c",
                    "kernel_c/infer/reply/sampler.c",
                    "kernel_c/math/math.c",
                    "kernel_c/math/random.c",
                ),
                *("kernel_c/math/dmath.c", "kernel_c/math/dmath_trig.c", *_ARENA),
                *_CORE,
            ),
            600,
            words=fuzz_words.KEYS,
        ),
        Target(
            "lineedit",
            (
                *(f"kernel_c/app/shell/{name}.c" for name in ("lineedit", "lineedit_draw", "lineedit_history")),
                *_ARENA,
                *_CORE,
            ),
            256,
            macros=("KG_LINE_MAX=40", "KG_LINE_COLUMNS=24"),  # so that short inputs fill them
            words=fuzz_words.TYPED,
        ),
        Target(
            "keyboard",
            (*(f"kernel_c/console/{name}.c" for name in ("keyboard", "layouts")), *_CORE),
            128,
            words=fuzz_words.CODES,
        ),
        Target("usb", ("kernel_c/platform/drivers/usb/descriptors.c",), 512, words=fuzz_words.DESCRIPTORS),
        Target(
            "menu",
            (*(f"kernel_c/loader/{name}.c" for name in ("menu", "menu_file", "menu_rows")), *_CORE),
            1024,
            words=("entry ", "module ", "words ", "kernel ", "timeout ", "default safe>safe-", "\\x0a"),
        ),
        Target("vocab", (*_VOCAB,), 4096, words=fuzz_words.VOCAB),
        Target("model", (*_MODEL,), 8192, words=fuzz_words.MODEL),
        Target(
            "shell",
            (*(f"tests/fuzz/{name}.c" for name in ("checked_arena", "no_devices", "opened")), *_application()),
            256,
            # So that short inputs fill what these are the sizes of.
            macros=(f'KG_SHELL_MODELS="{SHELL_MODELS}"', "KG_LINE_MAX=80", "KG_LINE_COLUMNS=40", "KG_STREAM_HELD=128"),
            words=fuzz_words.KEYS + fuzz_words.TYPED + fuzz_words.SHELL,
            unwatched=_NUMBERS,
        ),
        Target(
            "terminal",
            (*(f"kernel_c/console/{name}.c" for name in ("font", "pixels", "terminal", "writer")), *_CORE),
            400,
            words=fuzz_words.WRITTEN,
        ),
        Target("encode", (*_VOCAB,), 128, words=fuzz_words.TEXT),
        Target("acpi", (*_ACPI, *_CORE), 1024, words=fuzz_words.ACPI),
        Target(
            "devices",
            (*_CORE,),
            640,
            macros=("KG_USB_DEVICES=10u", "KG_USB_STORAGES=3u", "NVME_STEP_US=5000u", "AHCI_STEP_US=1000u"),
            words=(
                *(
                    "\\xf4\\x1a\\x44\\x10",
                    "\\xf4\\x1a\\x05\\x10",
                    "\\x09\\x40\\x14\\x01\\x04",
                    "virt\\x01\\x00\\x00\\x00",
                ),
                *("\\xf4\\x1a\\x41\\x10", "\\x86\\x80\\x0e\\x10", "\\x86\\x80\\xd3\\x10"),
            ),
        ),
        Target(
            "tree",
            (
                *(f"kernel_c/platform/boot/tree/{name}.c" for name in ("fdt", "initrd", "tree")),
                *("kernel_c/platform/boot/boot_info.c", "kernel_c/platform/virt/facts/from_tree.c", *_CORE),
            ),
            4096,
            words=("070701", "TRAILER!!!", "arm,pl011", "virtio,mmio", "\\x00\\x00\\x00\\x01", "\\x00\\x00\\x00\\x03"),
        ),
        Target(
            "xhci",
            (*_CORE,),
            512,
            macros=("KG_USB_DEVICES=10u", "KG_USB_STORAGES=3u"),
            words=("\\x0f\\x01\\x02", "\\x01\\x01", "\\x05\\x0f", "\\x1a"),
        ),
        Target(
            "disk",
            (
                *(f"kernel_c/disk/{name}.c" for name in ("exfat", "ext4", "fat", "fs", "parts", "probe", "reader")),
                *_CORE,
            ),
            16448,
            words=("EFI PART", "EXFAT   ", "\\x53\\xef", "\\x0a\\xf3", "\\x55\\xaa"),
        ),
        Target(
            "store",
            (
                *("kernel_c/store/store.c", "kernel_c/store/store_change.c", "kernel_c/infer/chat/kept.c"),
                *("kernel_c/infer/prefill.c", "kernel_c/infer/kv.c", "kernel_c/core/digest/crc32_long.c"),
                *("kernel_c/ops/attention/kv_ref.c", "kernel_c/ops/quant/types.c"),
                *(*_ARENA, *_CORE),
            ),
            1024,
            words=("KGCV\\x02\\x00\\x00\\x00", "KGPF\\x01\\x00\\x00\\x00", "\\xff\\xff\\xff\\xff"),
        ),
        Target(
            "net",
            _NET,
            2048,
            macros=("KG_ARP_ENTRIES=8u",),
            words=("\\x01\\x80\\x02", "\\x01\\x00\\x10", "\\x05\\x12", "\\x73\\xff"),
        ),
        Target(
            "dhcp",
            (*_IP, "kernel_c/net/dhcp.c", "kernel_c/net/dhcp_message.c"),
            1800,
            words=("\\x35\\x01\\x05", "\\x36\\x04", "\\x34\\x01\\x03", "\\x00\\x01\\x10"),
        ),
        Target("offer", ("kernel_c/uefi/boot_offer.c",), 1472, words=("\\x34\\x01\\x03", "\\x43\\x04", "\\x36\\x04")),
        Target(
            "dns",
            ("kernel_c/net/dns_message.c", "kernel_c/net/settings.c", *_CORE),
            700,
            words=("dhcp", ",gw=", ",dns=", "10.0.0.2/24", "\\xc0\\x0c\\x00\\x01\\x00\\x01", "\\x00\\x05\\x00\\x01"),
        ),
        Target(
            "prefill",
            (
                *("kernel_c/infer/prefill.c", "kernel_c/infer/kv.c", "kernel_c/core/digest/crc32_long.c"),
                *("kernel_c/ops/attention/kv_ref.c", "kernel_c/ops/quant/types.c"),
                *(*_ARENA, *_CORE),
            ),
            1024,
            words=("KGPF\\x01\\x00\\x00\\x00",),
        ),
        Target("json", (*_JSON, *_CORE), 512, words=fuzz_words.JSON),
        Target(
            "http",
            (*(f"kernel_c/http/{name}.c" for name in ("chunked", "fields", "head")), *_CORE),
            1024,
            words=fuzz_words.HTTP,
        ),
        Target(
            "get",
            (*(f"kernel_c/http/{name}.c" for name in ("answer", "fields", "get", "response", "url")), *_CORE),
            1024,
            words=fuzz_words.GET,
        ),
        Target(
            "tftp",
            ("kernel_c/net/tftp.c", *_CORE),
            512,
            words=("tsize\\x00300\\x00", "blksize\\x008\\x00", "windowsize\\x002\\x00", "\\x00\\x05\\x00\\x01"),
        ),
        Target(
            "modbus",
            ("kernel_c/modbus/modbus.c",),
            1024,
            words=("\\x00\\x00\\x00\\x06\\x01", "\\x2b\\x0e\\x03\\x00", "\\x00\\x7d", "\\xff\\x00"),
        ),
        Target(
            "gbnf",
            (*_GRAMMAR,),
            256,
            macros=_TABLES,
            words=("root ::= ", "::=", '\\"', "{2,5}", "[^", "\\\\u00e9", "\\\\x", "| ", "\\x0a"),
        ),
        Target("schema", (*_SCHEMA,), 512, macros=_TABLES, words=fuzz_words.SCHEMA),
        Target(
            "matcher",
            (*_GRAMMAR,),
            64,
            # So that short texts fill them.
            macros=(
                *("KG_MATCH_NODES=48u", "KG_MATCH_PLACES=128u", "KG_MATCH_STATES=40u", "KG_MATCH_MOVES=6144u"),
                *("KG_MATCH_SEEN=1024u", "KG_MATCH_MASKS=2u"),
            ),
            words=("\\xff", "aab", "[1,", '{\\"\\":', "((", "true", "\\xe6\\x97\\xa5"),
        ),
        Target(
            "chat",
            (*(f"kernel_c/infer/chat/{name}.c" for name in ("chat", "chat_reply", "chat_text", "chat_tools")), *_CORE),
            2048,
            words=("KGCT", "</think>\\x0a", "<|im_end|>"),
        ),
    )
}
