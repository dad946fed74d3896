"""Makes a folder for dnsmasq and nginx, from which machines without a disk boot: the files that they serve, and
their settings.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kgpt_build import paths
from kgpt_build.arch import Arch
from kgpt_build.errors import UsageError
from kgpt_build.file_hash import sha256_of
from kgpt_build.image.contents import Wanted
from kgpt_build.image.make import ImageSettings
from kgpt_build.image.served import make_served
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.efi import NAME as EFI_NAME
from kgpt_build.kernel.settings import Progress
from kgpt_build.models import NO_MODEL
from kgpt_build.signing.sign import signed

SERVED, APPLIANCE = "served", f"appliance/{EFI_NAME}"
"""The appliance has a folder of its own: beside it lies no menu, so it starts at once."""
_FIRST, _LAST = 50, 99
"""Of the network, the addresses that dnsmasq gives."""


@dataclass(frozen=True)
class Place:
    """Where the server is. Raises UsageError."""

    address: str
    interface: str
    port: int = 80

    def __post_init__(self) -> None:
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            raise UsageError(f"{self.address} is no IPv4 address", "give the server's own, such as 10.0.0.1") from None
        if not self.interface or not all(char.isalnum() or char in "._-" for char in self.interface):
            raise UsageError(f"{self.interface!r} is no network interface", "ip link lists them")

    @property
    def url(self) -> str:
        """Of the folder that nginx serves."""
        return f"http://{self.address}" + (f":{self.port}" if self.port != 80 else "")


@dataclass(frozen=True)
class _Part:
    """What machines of one architecture boot: the folder below SERVED, "" or with a slash at its end."""

    arch: Arch
    folder: str

    @property
    def menu(self) -> str:
        return self.folder + EFI_NAME

    @property
    def appliance(self) -> str:
        return self.folder + APPLIANCE


def make_netboot(
    settings: ImageSettings, archs: Sequence[Arch], place: Place, appliance: str, progress: Progress
) -> tuple[str, ...]:
    """Write the folder ``settings.out``, which is new or empty; ``appliance``: words of the kernel that PXE boots.

    The first of ``archs`` boots from SERVED itself, each other one from a folder there with its name and links to the
    models. Returns the paths of the files. Raises KgptError, ToolMissing, UsageError.
    """
    out = settings.out
    if any(char.isspace() or char in "\"'#;{}" for char in str(out.absolute())):
        raise UsageError(f"{out} has a character that dnsmasq or nginx reads otherwise", "choose another folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder", "name a new folder")
    served, parts = out / SERVED, _parts(archs)
    files: list[str] = []
    for part in parts:
        wanted = replace(settings.wanted, arch=part.arch)
        made = make_served(
            replace(settings, out=served / part.folder, wanted=wanted), progress, served if part.folder else None
        )
        files += [f"{SERVED}/{part.folder}{path.lstrip('/')}" for path in made.files]
        if not any(path.endswith(".gguf") for path in made.files):
            shutil.rmtree(served)
            raise UsageError("no model can be loaded over the network", "name a language model, such as smollm2-135m")
    words = f"model={_model_url(out, files, place)} {appliance}".strip()
    for part in parts:
        _write_appliance(served / part.appliance, replace(settings.wanted, arch=part.arch), words, settings, progress)
        files.append(f"{SERVED}/{part.appliance}")
    texts = {
        "dnsmasq.conf": _dnsmasq(out, place, parts),
        "nginx.conf": _nginx(place),
        "README.txt": _readme(out, place, parts),
    }
    with paths.write_errors(str(out)):
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    return (*files, *texts)


def _parts(archs: Sequence[Arch]) -> list[_Part]:
    unique = {arch.name: arch for arch in archs}.values()
    return [_Part(arch, f"{arch.name}/" if number else "") for number, arch in enumerate(unique)]


def _model_url(out: Path, files: Sequence[str], place: Place) -> str:
    """The address of the first model, with the SHA-256 that the kernel compares it with."""
    model = next(path for path in files if path.endswith(".gguf"))
    return f"{place.url}/{model.removeprefix(f'{SERVED}/')}#sha256={sha256_of(out / model)}"


def _write_appliance(path: Path, wanted: Wanted, words: str, settings: ImageSettings, progress: Progress) -> None:
    """The kernel without a model that has ``words`` as its command line."""
    kernel = build_cached(
        NO_MODEL, toolchain=wanted.toolchain, arch=wanted.arch, cmdline=words, with_efi=True, progress=progress
    ).with_name(EFI_NAME)
    with paths.write_errors(str(path)):
        program = kernel.read_bytes()
        if settings.signer:
            program = signed(program, settings.signer, APPLIANCE)
        path.parent.mkdir()
        path.write_bytes(program)


def _dnsmasq(out: Path, place: Place, parts: Sequence[_Part]) -> str:
    network = ipaddress.IPv4Network(f"{place.address}/24", strict=False)
    return f"""\
# Gives addresses, the appliance's kernel by TFTP (PXE), and the address of the menu (HTTP boot). No DNS.
port=0
interface={place.interface}
bind-interfaces
dhcp-range={network[_FIRST]},{network[_LAST]},1h
enable-tftp
tftp-root={out.absolute() / SERVED}
""" + "".join(_dnsmasq_part(place, part) for part in parts)


def _dnsmasq_part(place: Place, part: _Part) -> str:
    """A machine names its architecture and the way in which it boots by a number (DHCP's option 93)."""
    uefi, pxe, http = part.arch.uefi, f"pxe-{part.arch.name}", f"http-{part.arch.name}"
    kinds = [(pxe, number) for number in uefi.pxe_clients] + [(http, number) for number in uefi.http_clients]
    matches = "".join(f"dhcp-match=set:{tag},option:client-arch,{number}\n" for tag, number in kinds)
    return f"""
# {part.arch.title}
{matches}dhcp-boot=tag:{pxe},{part.appliance}
# Instead of it, the menu, which reads models by TFTP:
# dhcp-boot=tag:{pxe},{part.menu}
dhcp-option-force=tag:{http},60,HTTPClient
dhcp-boot=tag:{http},{place.url}/{part.menu}
"""


def _nginx(place: Place) -> str:
    return f"""\
# Serves the folder {SERVED}/ beside this file: nginx -p FOLDER -c nginx.conf
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    server {{
        listen {place.address}:{place.port};
        root {SERVED};
    }}
}}
"""


def _readme(out: Path, place: Place, parts: Sequence[_Part]) -> str:
    folder = out.absolute()
    return f"""\
Machines on the network of {place.interface} boot kgpt from this machine, whose address there is {place.address}.
A second DHCP server disturbs all machines of a network: use one of its own.

    sudo ip addr add {place.address}/24 dev {place.interface}
    sudo nginx -e stderr -p {folder} -c nginx.conf -g "daemon off;"
    sudo dnsmasq --keep-in-foreground --conf-file={folder}/dnsmasq.conf

nginx's user must be able to read this folder.
""" + "".join(_readme_part(part) for part in parts)


def _readme_part(part: _Part) -> str:
    return f"""
A machine with {part.arch.title} and UEFI that boots by
  PXE        gets {SERVED}/{part.appliance} by TFTP, which reads the model from nginx;
  HTTP boot  gets {SERVED}/{part.menu} from nginx, which shows its menu.
To change the menu, edit {SERVED}/{part.folder}kgpt/menu.cfg.
"""
