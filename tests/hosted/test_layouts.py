"""What C and Python both lay out, and every number that both have: the headers are compiled, and Python must agree.

A structure for ctypes that is too short is written past by the kernel's functions, and Python crashes some tests
later. A header of a model, a flag or a limit that differs shows only when the kernel reads what the host wrote.
"""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import exact
import gguf_reader
import lm_text
import pytest
import test_keyboard
import test_mt19937

from benchmarks import c_error, c_library, dense_library, fast_library
from kgpt_build import boot_modules
from kgpt_build.arch import EXIT_BASE, x86_64_probe
from kgpt_build.chat import blob as chat_blob
from kgpt_build.chat.template import FAMILY_BYTES, Flag, Piece, Slot, known_flags, trim_flag
from kgpt_build.chat.thoughts import Thoughts
from kgpt_build.errors import FAILED, OK, REFUSED
from kgpt_build.headers import blob, unicode
from kgpt_build.image import contents
from kgpt_build.kernel import elf, inspect, memory
from kgpt_build.models.gguf import model, scan, types, vocab
from kgpt_build.models.model import NAME_BYTES
from kgpt_build.paths import source_root
from kgpt_build.settings import MAX_CMDLINE

KERNEL_C = source_root() / "kernel_c"

CTYPES: dict[str, tuple[str, tuple[type[ctypes.Structure], ...]]] = {
    "kg_adam": ("train_fast", (fast_library.Adam,)),
    "kg_arena": ("arena", (c_library.Arena,)),
    "kg_corpus": ("train_corpus", (exact._Corpus, fast_library.Corpus)),
    "kg_dense_settings": ("train_dense", (dense_library.Settings,)),
    "kg_dense_shape": ("train_dense", (dense_library.Shape,)),
    "kg_dense_text": ("train_dense", (dense_library.Text,)),
    "kg_error": ("error", (c_error.Error,)),
    "kg_gguf": ("gguf", (gguf_reader._Gguf,)),
    "kg_gguf_tensor": ("gguf", (gguf_reader.Tensor,)),
    "kg_gguf_value": ("gguf", (gguf_reader.Value,)),
    "kg_keyboard": ("keyboard", (test_keyboard.State,)),
    "kg_mt19937": ("mt19937", (test_mt19937.Generator,)),
    "kg_sampling": ("sampler", (lm_text._Sampling,)),
}
"""Structure → its header, and what lays it out in Python."""

MODEL_FIELDS = (
    *("magic", "version", "size", "arch", "name", "sha256", *blob.SIZES, "bos_id", "norm_eps", "weight_type", "crc32"),
    *("flags", "vocab_offset", "vocab_size", "weights_offset", "weights_size", "prefill_offset", "prefill_size"),
)
STRUCTS: dict[str, tuple[str, struct.Struct, Sequence[str]]] = {
    "kg_model_data": ("kgpt/model_data.h", blob._HEADER, MODEL_FIELDS),
    "kg_test_case": ("kgpt/test.h", inspect._TEST_CASE, ("name", "file", "run")),
}
"""Structure → its header, its format in Python, and the fields in the format's order."""

CONSTANTS: dict[str, dict[str, int]] = {
    "kgpt/model_data.h": {
        "KG_MODEL_MAGIC": blob.MAGIC,
        "KG_MODEL_VERSION": blob.VERSION,
        "KG_MODEL_ALIGN": blob.ALIGN,
        "KG_MODEL_F32": blob.WEIGHT_F32,
        "KG_MODEL_GGUF": blob.WEIGHT_GGUF,
        "KG_MODEL_INTERLEAVED": blob.INTERLEAVED,
        "KG_MODEL_NO_TOKEN": blob.NO_TOKEN,
        "sizeof(struct kg_model_data)": blob.HEADER_SIZE,
        "sizeof(((struct kg_model_data *)0)->name)": NAME_BYTES + 1,
    },
    "kgpt/chat.h": {
        "KG_CHAT_MAX_BLOB": chat_blob.MAX_BLOB,
        "sizeof(((struct kg_chat *)0)->family)": FAMILY_BYTES + 1,
        "KG_CHAT_PIECES": len(Piece),
        "KG_CHAT_SLOTS": len(Slot),
        **{f"KG_CHAT_{piece.name}": piece for piece in Piece},
        **{f"KG_CHAT_SLOT_{slot.name}": slot for slot in Slot},
        **{f"KG_CHAT_{flag.name}": flag for flag in Flag},
        **{f"KG_CHAT_TRIM_LEFT({slot:d})": trim_flag(slot, False) for slot in Slot},
        **{f"KG_CHAT_TRIM_RIGHT({slot:d})": trim_flag(slot, True) for slot in Slot},
        "KG_CHAT_DROPS_THOUGHTS": Thoughts.DROPPED,
        "KG_CHAT_DROPS_NEWLINES": Thoughts.NEWLINES_DROPPED,
        "KG_CHAT_KEEPS_THOUGHTS": Thoughts.KEPT,
        **{
            f"KG_CHAT_{flag.name}": flag
            for flag in Thoughts
            if flag not in (Thoughts.DROPPED, Thoughts.NEWLINES_DROPPED, Thoughts.KEPT)
        },
    },
    "kgpt/status.h": {
        "KG_EXIT_OK": OK,
        "KG_EXIT_REFUSED": REFUSED,
        "KG_EXIT_FAILED": FAILED,
        "KG_EXIT_PORT_BASE": EXIT_BASE,
    },
    "kgpt/config.h": {"KG_CMDLINE_MAX": MAX_CMDLINE},
    "kgpt/platform.h": {"KG_FILES_MAX": boot_modules.MAX_MODULES},
    "platform/boot/boot.h": {"KG_BOOT_NAMES_SIZE": boot_modules.MAX_WORDS + 1},
    "app/lm.h": {"KG_MAX_MODELS": contents.MAX_MODELS},
    "app/lm_models.c": {"KG_CTX_DEFAULT": memory.DEFAULT_CTX, "KG_CTX_REPLY": memory._CTX_REPLY},
    "app/shell/lineedit.h": {"KG_LINE_MAX": memory._LINE_MAX},
    "kgpt/arena.h": {"KG_ARENA_ALIGN": memory._ALIGN},
    "infer/attention.h": {
        "KG_LM_MOST_ATTENDING": memory._LM_ATTENDING,
        "KG_LM_WORK_ROWS": memory._LM_WORK_ROWS,
    },
    "kgpt/attention.h": {"KG_LANES": memory._LANES},
    "infer/lm_model.h": {"KG_LM_MOST_CTX": model.MOST_CTX},
    "kgpt/quant.h": {"KG_GROUP": types.GROUP},
    "formats/gguf_read.h": {
        "KG_GGUF_MAX_FIELDS": scan.MAX_FIELDS,
        "KG_GGUF_MAX_TENSORS": scan.MAX_TENSORS,
        "KG_GGUF_MAX_KEY": scan.MAX_KEY,
        "KG_GGUF_MAX_NAME": scan.MAX_NAME,
        "KG_GGUF_MAX_VALUES": scan.MAX_ELEMENTS,
    },
    "tokenizer/vocab_tables.h": {"KG_PIECE_MAX": vocab._MAX_PIECE},
    "tokenizer/unicode.h": {f"KG_{name.upper()}": number for number, name in enumerate(unicode.CLASSES)},
}
"""File below kernel_c or kernel_c/include → expression in C → its value in Python."""


def values_of(tmp_path: Path, includes: Sequence[str], expressions: Sequence[str]) -> list[int]:
    """What the compiler makes of ``expressions``; an include that is a .c file lends its #define lines."""
    lines = ["#include <stddef.h>", "#include <stdint.h>", "#include <stdio.h>"]
    for include in includes:
        lines += _defines(KERNEL_C / include) if include.endswith(".c") else [f'#include "{include}"']
    lines += ["int main(void) {"]
    lines += [f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in expressions]
    (tmp_path / "values.c").write_text("\n".join([*lines, "return 0; }", ""]))
    folders = [f"-I{KERNEL_C / 'include'}", f"-I{KERNEL_C}"]
    subprocess.run(["gcc", *folders, tmp_path / "values.c", "-o", tmp_path / "values"], check=True)
    printed = subprocess.run([tmp_path / "values"], capture_output=True, text=True, check=True).stdout
    return [int(word) for word in printed.split()]


def _defines(path: Path) -> list[str]:
    return re.findall(r"^#define \w+ .*$", path.read_text(), re.MULTILINE)


def test_structures_for_ctypes_have_the_size_of_the_headers(tmp_path: Path) -> None:
    headers = sorted({f"kgpt/{header}.h" for header, _ in CTYPES.values()})
    sizes = values_of(tmp_path, headers, [f"sizeof(struct {name})" for name in CTYPES])
    for (name, (_, mirrors)), size in zip(CTYPES.items(), sizes, strict=True):
        assert [ctypes.sizeof(mirror) for mirror in mirrors] == [size] * len(mirrors), name


def places(form: struct.Struct) -> Iterator[tuple[int, int]]:
    """Offset and size of each value that a little-endian format gives."""
    at = 0
    for count, code in re.findall(r"(\d*)([a-zA-Z])", form.format):
        size = struct.calcsize(f"<{code}")
        if code == "s":
            yield at, int(count)
        elif code != "x":
            yield from ((at + i * size, size) for i in range(int(count or 1)))
        at += struct.calcsize(f"<{count}{code}")


@pytest.mark.parametrize("name", STRUCTS)
def test_formats_are_the_structures_of_the_headers(tmp_path: Path, name: str) -> None:
    header, form, names = STRUCTS[name]
    asked = [f"sizeof(struct {name})"]
    for field in names:
        asked += [f"offsetof(struct {name}, {field})", f"sizeof(((struct {name} *)0)->{field})"]
    size, *found = values_of(tmp_path, [header], asked)
    assert form.size == size
    assert list(zip(found[::2], found[1::2], strict=True)) == list(places(form))


@pytest.mark.parametrize("include", CONSTANTS)
def test_numbers_are_those_of_the_headers(tmp_path: Path, include: str) -> None:
    expected = CONSTANTS[include]
    found = values_of(tmp_path, [include], list(expected))
    assert dict(zip(expected, found, strict=True)) == {name: int(value) for name, value in expected.items()}


def members(header: str, enum: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/", "", (KERNEL_C / "include" / header).read_text(), flags=re.DOTALL)
    (body,) = re.findall(rf"enum {enum} \{{(.*?)\}}", text, re.DOTALL)
    return re.findall(r"\b(KG_\w+)(?=\s*[,=]|\s*$)", body)


@pytest.mark.parametrize("enum", ["kg_chat_piece", "kg_chat_flag", "kg_chat_thoughts", "kg_chat_slot"])
def test_no_member_of_a_shared_enum_is_missing_in_python(enum: str) -> None:
    found = members("kgpt/chat.h", enum)
    assert len(found) > 3
    assert set(found) <= CONSTANTS["kgpt/chat.h"].keys()


def test_the_flags_of_a_chat_template_are_all_known(tmp_path: Path) -> None:
    (flags,) = values_of(tmp_path, ["kgpt/chat.h"], ["KG_CHAT_FLAGS"])
    assert known_flags(flags)
    assert not known_flags(flags + 1)


def test_sections_have_the_names_that_the_host_looks_for() -> None:
    assert f'#define KG_TEST_SECTION "{elf.TESTS_SECTION}"' in (KERNEL_C / "include/kgpt/test.h").read_text()
    script = (source_root() / "linker" / "kernel.ld").read_text()
    assert elf.MODEL_SECTION in script


def test_the_probe_for_kvm_speaks_on_the_kernel_s_ports(tmp_path: Path) -> None:
    ports = values_of(tmp_path, ["platform/pc/debugcon.c", "platform/pc/power.c"], ["DEBUGCON", "DEBUG_EXIT"])
    assert ports == [x86_64_probe.EVENTS_PORT, x86_64_probe.EXIT_PORT]
