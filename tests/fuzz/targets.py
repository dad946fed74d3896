"""What is fuzzed: entry points (``LLVMFuzzerTestOneInput``) and the sources that each needs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rooms import listed

from kgpt_build.headers import font, page, unicode
from kgpt_build.settings import options

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
"""A folder of small inputs for each target."""
SHELL_MODELS = ROOT / "tests" / "fuzz" / "shell"
"""Two tiny models for the target "shell"."""
VECTORS = {
    "_avx2.c": ["-mavx2", "-mf16c"],
    "_avxvnni.c": ["-mavx2", "-mf16c", "-mavxvnni"],
    "_avx512vnni.c": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma"],
    "_clmul.c": ["-mpclmul", "-msse4.1"],
    "_sha.c": ["-msha", "-mssse3", "-msse4.1"],
    "_avx512.c": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
}
"""Sources that need more of a processor than the others; they are linked, but not run, and so compiled in no time."""
NOT_RUN = ["-O0", "-fno-sanitize=all", "-Wno-unused-command-line-argument", "-Wno-error"]
ONCE = {"kernel_c/infer/chat/loaded.c": [f"-Dkg_{name}_open=opened_{name}" for name in ("gguf", "vocab", "lm")]}
"""What opens models asks tests/fuzz/opened.h for them."""

FLAGS = ["-std=gnu11", "-g", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-omit-frame-pointer", "-D_GNU_SOURCE"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
INCLUDES = [f"-I{folder}" for folder in ("kernel_c/include", "kernel_c", "tests/fuzz")]

_CORE = [f"kernel_c/core/{name}.c" for name in ("crc32", "error", "format", "parse", "str", "utf8")]
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
    *("kernel_c/core/json_read.c", "kernel_c/core/json_value.c"),
    *_GRAMMAR,
]
_TABLES = (
    *("KG_MATCH_NODES=1024u", "KG_MATCH_PLACES=2048u", "KG_MATCH_STATES=128u", "KG_MATCH_MOVES=32768u"),
    "KG_MATCH_SEEN=1024u",
)
"""Tables of a matcher, of which an input fills little: those of a kernel take longer to clear than it runs."""
_SCHEMA_WORDS = (
    *('\\"type\\":', '\\"object\\"', '\\"array\\"', '\\"string\\"', '\\"integer\\"', '\\"number\\"', '\\"null\\"'),
    *('\\"properties\\":{', '\\"required\\":[', '\\"additionalProperties\\":', '\\"items\\":', '\\"prefixItems\\":['),
    *(
        '\\"minItems\\":',
        '\\"maxItems\\":',
        '\\"enum\\":[',
        '\\"const\\":',
        '\\"anyOf\\":[',
        '\\"oneOf\\":[',
        '\\"allOf\\":[',
    ),
    *(
        '\\"$ref\\":\\"#/$defs/a\\"',
        '\\"$defs\\":{\\"a\\":',
        '\\"minLength\\":',
        '\\"maxLength\\":',
        '\\"pattern\\":\\"^',
    ),
    *('\\"format\\":\\"date\\"', '\\"minimum\\":', '\\"maximum\\":', '\\"exclusiveMinimum\\":', "\\\\\\\\d", "(?:"),
)

_ACPI = [
    *(f"kernel_c/core/acpi{name}.c" for name in ("", "_arm", "_cpus", "_devices", "_fadt", "_pci", "_s5")),
    "kernel_c/platform/virt/facts/from_acpi.c",
]


_IP = (*listed("ENGINE_LM", rooms=("net/ip",)), *_CORE)
_NET = (
    *(name for name in listed("ENGINE_LM", rooms=("net", "net/ip", "net/tcp")) if not name.endswith("_test.c")),
    *("kernel_c/core/arena.c", "kernel_c/core/arena_count.c", *_CORE),
)


@dataclass(frozen=True)
class Target:
    """An entry point. ``max_len``: bytes of the longest input that the fuzzer tries; ``macros`` as after -D."""

    name: str
    sources: tuple[str, ...]
    max_len: int
    macros: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """What inputs are made of, for the fuzzer's dictionary; C escapes."""
    unwatched: tuple[str, ...] = ()
    """Sources, with wildcards, whose branches are no news to the fuzzer; the sanitizers watch them all the same."""

    @property
    def corpus(self) -> Path:
        """Its folder of inputs."""
        return CORPUS / self.name


_KEYS = (
    *(
        f"{name}={each.names[-1]}" if each.names else name + "=" * (each.kind != "FLAG")
        for name, each in options().items()
    ),
    *("seed=random", "frequency_penalty=-", "logit_bias=1-inf"),
    *('\\"', "\\\\n", "0x", "e-", "1e22", "18446744073709551615"),
)
_TYPED = (
    *("\\x1b[A", "\\x1b[B", "\\x1b[C", "\\x1b[D", "\\x1b[H", "\\x1b[F", "\\x1b[3~", "\\x1b[200~", "\\x1b[201~"),
    *("\\x01", "\\x02", "\\x04", "\\x05", "\\x0b", "\\x0c", "\\x15", "\\x17", "\\x7f", "\\x0d\\x0a"),
    *("\\xc3\\xa9", "\\xe2\\x82\\xac", "\\xf0\\x9f\\x98\\x80"),
)
_CODES = (
    *("\\xe0\\x48", "\\xe0\\xc8", "\\xe0\\xf0\\x75", "\\xe1\\x1d\\x45", "\\xf0\\x12", "\\x3a\\xba", "\\xe0\\x2a"),
    *("\\x2a", "\\x1d", "\\x38", "\\x12", "\\x14", "\\x11", "\\xaa", "\\xff"),
)
_WRITTEN = (
    *(
        f"\\x1b[{word}"
        for word in ("K", "1K", "2J", "J", "3A", "B", "9C", "2D", "H", "3;4H", "0m", "1;31m", "97;44m", "7m")
    ),
    *("\\x1b[?25l", "\\x1b]0;", "\\x1b\\\\", "\\x1bP", "\\x08", "\\x09", "\\x0d", "\\x0a", "xxxxxxxxxxxxxxxxxxxxxxxx"),
    *(
        "\\xfa",
        "\\xfb\\x02",
        "\\xfb\\x00",
        "\\xfc",
        "\\xfd",
        "\\xfe\\x0cword",
        "\\xff",
        "\\xe2\\x94\\x80",
        "\\xc3\\xa9",
        "\\xf0\\x9f\\x98\\x80",
        "\\xed\\xa0\\x80",
    ),
)
_GGUF_WORDS = (
    *(
        "GGUF\\x03\\x00\\x00\\x00",
        "general.alignment",
        "general.architecture",
        "\\x09\\x00\\x00\\x00\\x08\\x00\\x00\\x00",
    ),
    *("\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"),
)

_VOCAB_WORDS = (
    *_GGUF_WORDS,
    *("<0x0A>", "<|im_end|>", "\\xc4\\xa0", "\\xe2\\x96\\x81", "\\x06\\x00\\x00\\x00", "<s>", "</s>"),
    *(f"tokenizer.ggml.{name}" for name in ("tokens", "token_type", "scores", "merges", "add_space_prefix")),
    *(f"tokenizer.kgpt.{name}" for name in ("by_merges", "splits_words", "nfc_decompositions", "nfc_compositions")),
)
_MODEL_WORDS = (
    *_GGUF_WORDS,
    *(f"attention.{name}" for name in ("head_count", "head_count_kv", "key_length", "value_length", "sliding_window")),
    *(f"rope.{name}" for name in ("dimension_count", "freq_base", "scaling.type", "scaling.factor")),
    *("block_count", "embedding_length", "feed_forward_length", "context_length", "attn_q.weight", "output.weight"),
)
_TEXT_WORDS = (
    *("\\x0d\\x0a", "   ", "'ll", "'S", "<|im_start|>", "<tool>", "123", "\\xc2\\xa0", "\\xe2\\x80\\x99"),
    *("\\xf0\\x9f\\x98\\x80", "\\xe2\\x80\\x8d", "\\xe2\\x96\\x81", "\\xcc\\x81", "\\xe4\\xb8\\x80", "\\xed\\xa0\\x80"),
)

_SHELL_WORDS = (
    *("explain ab", "mode=explain", "explain_layers"),
    *("mode=chat", "mode=shell", "mode=bench", "/reset", "/system ", "/set ", "/stats", "/history", "/quit", "/help"),
    *(
        "/clear",
        "/regen",
        "/show",
        "/paste",
        "/end",
        "/models",
        "/use 2",
        "/load 1",
        "/unload 2",
        "/reboot",
        "/system default",
        "\\x1b[0n",
    ),
    *("generate ", "chat", "models", "use 2", "use 1", "model", "bench", "mem", "cpu", "selftest", "reboot", "halt"),
    *('\\"\\"\\"', "ctx=8", "n_ctx", "pp=4", "tg=4", "repeat=1", "logprobs=3", "layers", "max_tokens=3", "samples=2"),
    "/read notes ",
)

_ACPI_WORDS = (
    *("RSD PTR ", "XSDT", "RSDT", "APIC", "FACP", "HPET", "DSDT", "SSDT", "_S5_", "\\x08\\\\_S5_\\x12\\x05\\x02"),
    *("LNRO0005\\x00", "\\x86\\x09\\x00", "GTDT", "SPCR", "MCFG", "\\x0b\\x50", "\\x0c\\x18", "\\x0e\\x10"),
    *(
        "\\x00\\x08",
        "\\x09\\x10",
        "\\x0a\\x05",
        "\\x0b",
        "\\x0c",
        "\\x0e",
        "\\x24\\xf0\\x07\\x00",
        "\\x4c\\xf0\\x07\\x00",
    ),
)
_NUMBERS = (
    *("kernel_c/ops/*", "kernel_c/infer/vector.c", "kernel_c/math/dmath*.c"),
    *("kernel_c/core/crc32.c", "kernel_c/math/math.c", "kernel_c/math/random.c"),
)
"""Sources that compute much and decide nothing."""

_JSON_WORDS = (
    *("null", "false", "true", "-0.5e+3", "1e308", "18446744073709551616", '\\"a\\":', "\\\\n", "\\\\u00e9"),
    *("\\\\ud83d\\\\ude00", "\\xf0\\x9f\\x98\\x80", "[[[[", "]]]]", "{}", "[]"),
)
_HTTP_WORDS = (
    *("GET / HTTP/1.1\\x0d\\x0a", "Host: x\\x0d\\x0a", "Content-Length: ", "Transfer-Encoding: chunked\\x0d\\x0a"),
    *(
        "Connection: keep-alive, close\\x0d\\x0a",
        "Expect: 100-continue\\x0d\\x0a",
        "\\x0d\\x0a\\x0d\\x0a",
        "OPTIONS * ",
    ),
    *("0\\x0d\\x0a\\x0d\\x0a", "5;x=y\\x0d\\x0ahello\\x0d\\x0a", "ffffffff"),
)
_GET_WORDS = (
    *(
        "HTTP/1.1 200 OK\\x0d\\x0a",
        "HTTP/1.1 206 x\\x0d\\x0a",
        "Content-Range: bytes 5-9/10\\x0d\\x0a",
        "Content-Length: 10",
    ),
    *(
        'ETag: \\"1\\"\\x0d\\x0a',
        "Last-Modified: ",
        "Location: ",
        "Content-Encoding: gzip",
        "\\x0d\\x0a\\x0d\\x0a",
        "\\x00",
    ),
    *("http://", "tftp://", "h.x:80", "/x.gguf", "#sha256=0123456789abcdef"),
)


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


_DESCRIPTORS = ("\\x09\\x02", "\\x09\\x04", "\\x07\\x05", "\\x06\\x30", "\\x03\\x01\\x01")

TARGETS = {
    target.name: target
    for target in (
        Target(
            "gguf", ("tests/fuzz/gguf_walk.c", "kernel_c/formats/gguf_peek.c", *_GGUF, *_CORE), 4096, words=_GGUF_WORDS
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
            words=_KEYS,
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
            words=_TYPED,
        ),
        Target(
            "keyboard", (*(f"kernel_c/console/{name}.c" for name in ("keyboard", "layouts")), *_CORE), 128, words=_CODES
        ),
        Target("usb", ("kernel_c/platform/drivers/usb/descriptors.c",), 512, words=_DESCRIPTORS),
        Target(
            "menu",
            (*(f"kernel_c/loader/{name}.c" for name in ("menu", "menu_file", "menu_rows")), *_CORE),
            1024,
            words=("entry ", "module ", "words ", "kernel ", "timeout ", "default safe>safe-", "\\x0a"),
        ),
        Target("vocab", (*_VOCAB,), 4096, words=_VOCAB_WORDS),
        Target("model", (*_MODEL,), 8192, words=_MODEL_WORDS),
        Target(
            "shell",
            ("tests/fuzz/checked_arena.c", "tests/fuzz/opened.c", *_application()),
            256,
            # So that short inputs fill what these are the sizes of.
            macros=(f'KG_SHELL_MODELS="{SHELL_MODELS}"', "KG_LINE_MAX=80", "KG_LINE_COLUMNS=40", "KG_STREAM_HELD=128"),
            words=_KEYS + _TYPED + _SHELL_WORDS,
            unwatched=_NUMBERS,
        ),
        Target(
            "terminal",
            (*(f"kernel_c/console/{name}.c" for name in ("font", "pixels", "terminal", "writer")), *_CORE),
            400,
            words=_WRITTEN,
        ),
        Target("encode", (*_VOCAB,), 128, words=_TEXT_WORDS),
        Target("acpi", (*_ACPI, *_CORE), 1024, words=_ACPI_WORDS),
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
                *("kernel_c/infer/prefill.c", "kernel_c/infer/kv.c", "kernel_c/core/crc32_long.c"),
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
                *("kernel_c/infer/prefill.c", "kernel_c/infer/kv.c", "kernel_c/core/crc32_long.c"),
                *("kernel_c/ops/attention/kv_ref.c", "kernel_c/ops/quant/types.c"),
                *(*_ARENA, *_CORE),
            ),
            1024,
            words=("KGPF\\x01\\x00\\x00\\x00",),
        ),
        Target("json", ("kernel_c/core/json_read.c", "kernel_c/core/json_value.c", *_CORE), 512, words=_JSON_WORDS),
        Target(
            "http",
            (*(f"kernel_c/http/{name}.c" for name in ("chunked", "fields", "head")), *_CORE),
            1024,
            words=_HTTP_WORDS,
        ),
        Target(
            "get",
            (*(f"kernel_c/http/{name}.c" for name in ("answer", "fields", "get", "response", "url")), *_CORE),
            1024,
            words=_GET_WORDS,
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
        Target("schema", (*_SCHEMA,), 512, macros=_TABLES, words=_SCHEMA_WORDS),
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


def build(target: Target, program: Path, compiler: Sequence[str], main: str | None = None) -> None:
    """Compile ``target`` into ``program``: its entry point, its sources, and ``main``, which a fuzzer has itself.

    The headers that come from no model are written beside it.
    """
    for header in (unicode, font, page):
        (program.parent / header.NAME).write_text(header.text("fuzz"), encoding="utf-8")
    macros = [f"-I{program.parent}", *(f"-D{macro}" for macro in target.macros)]
    words = [*compiler, *FLAGS, *WARNINGS, *INCLUDES, *macros]
    inputs = [f"tests/fuzz/fuzz_{target.name}.c"]
    for source in target.sources:
        vectors = next(([*flags, *NOT_RUN] for end, flags in VECTORS.items() if source.endswith(end)), [])
        own = [*ONCE.get(source, []), *vectors]
        inputs.append(str(program.parent / f"{Path(source).stem}.o") if own else source)
        if own:
            subprocess.run([*words, *own, "-c", source, "-o", inputs[-1]], cwd=ROOT, check=True)
    inputs += [main] if main else []
    subprocess.run([*words, *inputs, "-lm", "-o", str(program)], cwd=ROOT, check=True)
