"""``python -m benchmarks.sizes [KERNEL]``: what the network, HTTP and the API take in a kernel for language models.

Bytes are counted by the debug information of kernel.elf: the functions that the linker kept, without the padding
between them, constants, and texts. A text that several files have is counted once, for the first one. Self-tests are
left out. Without KERNEL the kernel is built first, with zig, as `kgpt build --lm` does; gcc tells nothing of texts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL

# Groups, their parts, and the files of each part below kernel_c. A star: the files of the folder that no part names.
GROUPS: dict[str, dict[str, str]] = {
    "stack": {
        "TCP": "net/tcp/* net/connections.c net/client.c",
        "Ethernet, ARP, IPv4, ICMP, UDP; start": "net/ip/* net/net.c net/settings.c app/network/stack.c",
        "DHCP": "net/dhcp.c net/dhcp_message.c",
        "DNS": "net/dns.c net/dns_message.c",
    },
    "HTTP and API": {
        "HTTP of the server": "http/head.c http/fields.c http/answer.c http/chunked.c",
        "connections, queue, slots, answers": "app/server/* app/server/link/* app/server/answers/*",
        "chats, prompts, sampling, logprobs": "app/server/chat/*",
        "OpenAI's endpoints": "app/server/api/*",
        "Ollama's endpoints": "app/server/api/ollama.c app/server/api/ollama_reply.c",
        "embeddings, of OpenAI's and Ollama's": "app/server/api/embed.c",
        "llama.cpp's endpoints, metrics": "app/server/api/llama_cpp.c",
        "tools": "app/server/chat/tools.c app/server/chat/calls.c app/server/chat/python_json.c",
        "fields of schemas and grammars": "app/server/chat/constrain.c",
    },
    "more that serves": {
        "chat page": "app/server/answers/page.c",
        "Modbus/TCP": "modbus/* app/server/modbus/*",
        "models by HTTP": "http/* app/network/*",
        "models by TFTP": "net/tftp.c app/network/fetch_tftp.c",
    },
    "without a network, too": {
        "JSON, read": "core/json/json_read.c core/json/json_value.c",
        "grammars": "infer/constrain/* infer/constrain/grammar/*",
        "schemas": "infer/constrain/schema/*",
        "cards: e1000, virtio": "platform/drivers/net/* platform/drivers/virtio/net.c",
    },
}
ROOMS = ("net/", "http/", "app/server/", "app/network/", "modbus/", "infer/constrain/")
KINDS = ("code", "constants", "texts")
_DW_OP_ADDR = 0x03
_PLACES = {
    place: (group, part)
    for group, parts in GROUPS.items()
    for part, places in parts.items()
    for place in places.split()
}


def part_of(file: str) -> tuple[str, str] | None:
    """The group and part of a file below kernel_c; None: it is a self-test, or no part of the network.

    ValueError: it should be a part.
    """
    if file.endswith("_test.c"):
        return None
    part = _PLACES.get(file) or _PLACES.get(f"{file.rpartition('/')[0]}/*")
    if part is None and file.startswith(ROOMS):
        raise ValueError(f"{file} belongs to no part: add it to GROUPS")
    return part


def measure(kernel: Path) -> dict[tuple[str, str], Counter[str]]:
    """Bytes of each part, by kind."""
    found: dict[tuple[str, str], Counter[str]] = {
        (group, part): Counter() for group, parts in GROUPS.items() for part in parts
    }
    with kernel.open("rb") as stream:
        elf = ELFFile(stream)
        symbols = {
            each["st_value"]: each["st_size"]
            for each in _section(elf, ".symtab").iter_symbols()
            if each["st_info"]["type"] == "STT_OBJECT"
        }
        code, constants = _extent(elf, ".text"), _extent(elf, ".rodata")
        taken: set[int] = set()
        dwarf = elf.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            top = unit.get_top_DIE()
            file = top.attributes["DW_AT_name"].value.decode().removeprefix("kernel_c/")
            part = part_of(file)
            if part is None:
                continue
            found[part]["code"] += sum(end - start for start, end in _functions(dwarf, unit, top) if start in code)
            for kind, start, size in _data(top, symbols):
                if start in constants:
                    new = set(range(start, start + size)) - taken
                    found[part][kind] += len(new)
                    taken |= new
    return found


def _section(elf: ELFFile, name: str) -> Any:
    section = elf.get_section_by_name(name)
    if section is None:
        raise SystemExit(f"the kernel has no {name}: give one as kgpt build writes it")
    return section


def _extent(elf: ELFFile, name: str) -> range:
    section = _section(elf, name)
    return range(section["sh_addr"], section["sh_addr"] + section["sh_size"])


def _functions(dwarf: Any, unit: Any, top: Any) -> Iterator[tuple[int, int]]:
    """The extents of the unit's functions; those that the linker dropped lie outside of all sections."""
    if ranges := top.attributes.get("DW_AT_ranges"):
        for each in dwarf.range_lists().get_range_list_at_offset(ranges.value, cu=unit):
            yield each.begin_offset, each.end_offset
    elif low := top.attributes.get("DW_AT_low_pc"):
        high = top.attributes["DW_AT_high_pc"]
        yield low.value, high.value + (0 if high.form == "DW_FORM_addr" else low.value)


def _data(top: Any, symbols: dict[int, int]) -> Iterator[tuple[str, int, int]]:
    """Kind, address and size of each constant and text. A text is a variable without a name."""
    waiting = [top]
    while waiting:
        entry = waiting.pop()
        waiting += entry.iter_children()
        where = entry.attributes.get("DW_AT_location")
        if entry.tag != "DW_TAG_variable" or where is None or where.form != "DW_FORM_exprloc":
            continue
        if len(where.value) != 9 or where.value[0] != _DW_OP_ADDR:
            continue
        start = int.from_bytes(bytes(where.value[1:]), "little")
        if "DW_AT_name" in entry.attributes or "DW_AT_type" not in entry.attributes:
            yield "constants", start, symbols.get(start, 0)
        else:
            lengths = [
                each.attributes.get("DW_AT_count")
                for each in entry.get_DIE_from_attribute("DW_AT_type").iter_children()
            ]
            yield "texts", start, sum(each.value for each in lengths if each)


def row(name: str, sizes: Counter[str]) -> str:
    """A row of the table, in KB of 1,000 bytes."""
    cells = [f"{sizes[kind] / 1000:.1f}" for kind in KINDS]
    return f"| {name} | {' | '.join(cells)} | {sum(sizes.values()) / 1000:.1f} |"


def main() -> None:
    """Print the table."""
    kernel = Path(sys.argv[1]) if len(sys.argv) > 1 else build_cached(NO_MODEL)
    found = measure(kernel)
    print(f"| part | {' | '.join(KINDS)} | all |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for group, parts in GROUPS.items():
        for part in parts:
            print(row(part, found[group, part]))
        sizes = sum((found[group, part] for part in parts), Counter[str]())
        total += sizes
        print(row(f"**{group}**", sizes))
        if group == "HTTP and API":
            print(row("**stack, HTTP and API**", total))


if __name__ == "__main__":
    main()
