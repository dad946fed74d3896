"""Random edits of the files of a model: bytes, JSON, headers of safetensors, and what is missing or in the way."""

from __future__ import annotations

import io
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from import_seeds import Seed

_INTS = (0, 1, -1, 2, 3, 7, 8, 16, 255, 256, 1023, 65535, 65536, 2**20, 2**24, 2**31 - 1, -(2**31), 2**32 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, -3.4e38, float("inf"), float("-inf"), float("nan"))
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 16, 300, 301, 65536, 2**31, 2**32, 2**63, 2**64, 10**30, -(2**63)),
    *(0.0, 0.5, -1.5, 1e-5, 1e308, -1e308, 10000.0, float("inf"), float("nan")),
    *("", "a", "gelu", "silu", "llama", "gpt2", "BPE", "Unigram", "F16", "I64", "BF16", "\ud800", "\0", "é" * 3000),
    *([], {}, [0], [[]], {"type": "BPE"}, [0, 2**62], [2**40, 2**40], ["a", "b"], {"a": {"b": [None]}}),
)


def edited(seed: Seed, rng: random.Random) -> tuple[Seed, str]:
    """One to three edits of ``seed``, and what they were, for the message of a failure."""
    said = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        seed, what = _edit(seed, rng)
        said.append(what)
    return seed, "; ".join(said)


def _edit(seed: Seed, rng: random.Random) -> tuple[Seed, str]:
    if not seed.files:
        return seed, "nothing"
    name = rng.choice(list(seed.files))
    data = seed.files[name]
    if rng.random() < 0.06:
        files, what = _whole_files(dict(seed.files), name, rng)
        return replace(seed, files=files), what
    if name.endswith(".json") and rng.random() < 0.8:
        data, what = _json(data, rng)
    elif name.endswith(".safetensors") and rng.random() < 0.6:
        data, what = _safetensors(data, rng)
    elif data.startswith(b"PK") and rng.random() < 0.8:
        data, what = _zip(data, rng)
    elif name.endswith(".pkl") and rng.random() < 0.8:
        data, what = _pickle(data, rng)
    else:
        data, what = _bytes(data, rng)
    return replace(seed, files={**seed.files, name: data}), f"{name}: {what}"


def _whole_files(files: dict[str, bytes], name: str, rng: random.Random) -> tuple[dict[str, bytes], str]:
    match rng.randrange(4):
        case 0 if len(files) > 1:
            del files[name]
            return files, f"{name} removed"
        case 1:
            other = rng.choice(list(files))
            files[name], files[other] = files[other], files[name]
            return files, f"{name} and {other} swapped"
        case 2:
            data = files.pop(name)
            files[f"{name}/inside"] = data
            return files, f"{name} is a folder"
        case _:
            files[name] = b""
            return files, f"{name} emptied"


# --- Bytes ---


def _bytes(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    edit = rng.choice((_flip, _number, _number, _cut, _grow, _move, _fill))
    found = bytearray(data)
    what = edit(found, rng)
    return bytes(found), what


def _place(data: bytearray, rng: random.Random) -> int:
    """A place in ``data``: half of them near its beginning, where headers are, some near its end."""
    most = len(data) or 1
    near = min(most, rng.choice((64, 512)))
    return rng.choice((rng.randrange(near), rng.randrange(most), most - 1 - rng.randrange(near)))


def _flip(data: bytearray, rng: random.Random) -> str:
    places = [_place(data, rng) for _ in range(rng.choice((1, 1, 2, 8)))] if data else []
    for at in places:
        data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)))
    return f"bytes {places} changed"


def _number(data: bytearray, rng: random.Random) -> str:
    """Another 32- or 64-bit number, mostly at a multiple of 4."""
    at = _place(data, rng)
    at -= at % 4 if rng.random() < 0.7 else 0
    if rng.random() < 0.6:
        value = rng.choice(_INTS)
        raw = struct.pack("<q", value)[: rng.choice((4, 4, 8))]
    else:
        raw = struct.pack("<f", rng.choice(_FLOATS))
    data[at : at + len(raw)] = raw
    return f"at {at}: {raw.hex()}"


def _cut(data: bytearray, rng: random.Random) -> str:
    at = _place(data, rng)
    if rng.random() < 0.5:
        del data[at:]
        return f"truncated to {at}"
    n = rng.choice((1, 4, 8, 100))
    del data[at : at + n]
    return f"{n} bytes at {at} removed"


def _grow(data: bytearray, rng: random.Random) -> str:
    more = rng.choice((b"\0", b"\0" * 64, b"abc", rng.randbytes(32), bytes(data[: 1 << 16])))
    at = rng.choice((len(data), _place(data, rng)))
    data[at:at] = more
    return f"{len(more)} bytes inserted at {at}"


def _move(data: bytearray, rng: random.Random) -> str:
    start, target, n = _place(data, rng), _place(data, rng), rng.choice((4, 16, 64, 300))
    data[target : target + n] = data[start : start + n]
    return f"{n} bytes of {start} at {target}"


def _fill(data: bytearray, rng: random.Random) -> str:
    at, n, byte = _place(data, rng), rng.choice((4, 16, 1000)), rng.choice((0, 255, 0x7F, 0x41))
    data[at : at + n] = bytes([byte]) * len(data[at : at + n])
    return f"{n} bytes at {at} set to {byte}"


# --- JSON ---


def _json(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # by an edit before
        return _bytes(data, rng)
    if rng.random() < 0.03:
        return _nested(rng), "thousands of brackets"
    document, what = _edited_value(document, rng)
    return json.dumps(document).encode("utf-8", "surrogatepass"), what


def _nested(rng: random.Random) -> bytes:
    n = rng.choice((1000, 100_000))
    return b'{"a": ' * n if rng.random() < 0.5 else b"[" * n + b"]" * n


def _edited_value(document: Any, rng: random.Random) -> tuple[Any, str]:
    """``document`` with one edit at a random place in it."""
    path: list[str] = []
    holder: Any = None
    key: Any = None
    value = document
    while isinstance(value, dict | list) and value and (not path or rng.random() < 0.75):
        holder = value
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        path.append(str(key)[:40])
        value = holder[key]
    if holder is None:
        return rng.choice(_VALUES), "the document replaced"
    what = _edit_at(holder, key, rng)
    return document, f"{'/'.join(path)} {what}"


def _edit_at(holder: Any, key: Any, rng: random.Random) -> str:
    edits: list[Callable[[], str]] = [lambda: _replaced(holder, key, rng)] * 5
    edits += [lambda: _removed(holder, key), lambda: _doubled(holder, key, rng), lambda: _swapped(holder, key, rng)]
    return rng.choice(edits)()


def _replaced(holder: Any, key: Any, rng: random.Random) -> str:
    old = holder[key]
    near = [old + 1, old - 1, 2 * old, -old] if isinstance(old, int | float) and not isinstance(old, bool) else []
    text = [old + "x", old[:-1], old.upper()] if isinstance(old, str) else []
    holder[key] = rng.choice([*near, *text]) if (near or text) and rng.random() < 0.4 else rng.choice(_VALUES)
    return f"= {str(holder[key])[:40]!r}"


def _removed(holder: Any, key: Any) -> str:
    del holder[key]
    return "removed"


def _doubled(holder: Any, key: Any, rng: random.Random) -> str:
    if isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), holder[key])
    else:
        holder[rng.choice((f"{key}x", "unheard_of", ""))] = holder[key]
    return "doubled"


def _swapped(holder: Any, key: Any, rng: random.Random) -> str:
    other = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    holder[key], holder[other] = holder[other], holder[key]
    return f"swapped with {str(other)[:40]}"


# --- Safetensors ---


def _safetensors(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """The header as JSON, with its length made right, or sometimes not."""
    size = int.from_bytes(data[:8], "little")
    text, rest = data[8 : 8 + size], data[8 + size :]
    text, what = _json(text, rng)
    text += b" " * (-len(text) % 8)
    shown = len(text) if rng.random() < 0.9 else rng.choice((0, 2**63, 2**31, len(text) - 8, len(text) + 8, 100))
    return shown.to_bytes(8, "little") + text + rest, f"header {what}, {shown} long"


# --- Files of torch.save ---


def _zip(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A member edited, left out, or doubled, in a zip file whose sums are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError, OSError):  # by an edit before
        return _bytes(data, rng)
    if not members:
        return _bytes(data, rng)
    pickles = [name for name in members if name.endswith(".pkl")]
    name = rng.choice(pickles if pickles and rng.random() < 0.6 else list(members))
    choice = rng.random()
    if choice < 0.05:
        del members[name]
        what = "removed"
    elif choice < 0.1:
        members[name + rng.choice(("x", "/x", "/../x"))] = members[name]
        what = "doubled"
    else:
        members[name], what = (_pickle if name.endswith(".pkl") else _bytes)(members[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return out.getvalue(), f"member {name[-24:]} {what}"


_OPCODES = b"().0123BCDFGIJKLMNPQRSTUVXabcdeghijlopqrstu]}\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x93\x94\x95"


def _pickle(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """An instruction removed, doubled, moved or made another, its argument changed; or a list that holds itself."""
    try:
        starts = [place for _, _, place in pickletools.genops(data) if place is not None]
    except Exception:  # by an edit before
        return _bytes(data, rng)
    at = rng.randrange(len(starts))
    start, end = starts[at], starts[at + 1] if at + 1 < len(starts) else len(data)
    one = data[start:end]
    other = rng.choice(starts)
    match rng.randrange(8):
        case 0:
            return data[:start] + data[end:], f"instruction at {start} removed"
        case 1:
            return data[:start] + one * rng.choice((2, 3, 50)) + data[end:], f"instruction at {start} doubled"
        case 2:
            return data[:other] + one + data[other:], f"instruction at {start} again at {other}"
        case 3:
            code = rng.choice(_OPCODES)
            return data[:start] + bytes([code]) + data[start + 1 :], f"instruction at {start} is {code:#x}"
        case 4:
            insert = rng.choice((b"]q\x00h\x00a", b"}q\x01X\x01\0\0\0ah\x01s", b"cos\nsystem\n", b"h\x00", b"N", b"0"))
            return data[:start] + insert + data[start:], f"{insert!r} at {start}"
        case 5:
            value = struct.pack("<i", rng.choice([n for n in _INTS if -(2**31) <= n < 2**31]))
            return data[:start] + b"J" + value + data[end:], f"instruction at {start} is J{value.hex()}"
        case _:
            if end - start < 2:
                return _bytes(data, rng)
            byte = rng.randrange(start + 1, end)
            new = rng.choice((0, 1, 255, 127, rng.randrange(256)))
            return data[:byte] + bytes([new]) + data[byte + 1 :], f"argument at {byte} is {new:#x}"
