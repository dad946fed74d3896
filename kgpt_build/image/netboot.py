"""Makes a folder for dnsmasq and nginx, from which PCs without a disk boot: the files that they serve, and their
settings.
"""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import UsageError
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


def make_netboot(settings: ImageSettings, place: Place, appliance: str, progress: Progress) -> tuple[str, ...]:
    """Write the folder ``settings.out``, which is new or empty; ``appliance``: words of the kernel that PXE boots.

    Returns the paths of its files. Raises KgptError, ToolMissing, UsageError.
    """
    out = settings.out
    if any(char.isspace() or char in "\"'#;{}" for char in str(out.absolute())):
        raise UsageError(f"{out} has a character that dnsmasq or nginx reads otherwise", "choose another folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder", "name a new folder")
    served = make_served(replace(settings, out=out / SERVED), progress)
    model = next((path for path in served.files if path.endswith(".gguf")), None)
    if model is None:
        shutil.rmtree(out / SERVED)
        raise UsageError("no model can be loaded over the network", "name a language model, such as smollm2-135m")
    digest = hashlib.sha256((out / SERVED / model.lstrip("/")).read_bytes()).hexdigest()
    words = f"model={place.url}{model}#sha256={digest} {appliance}".strip()
    kernel = build_cached(
        NO_MODEL, toolchain=settings.wanted.toolchain, cmdline=words, with_efi=True, progress=progress
    ).with_name(EFI_NAME)
    with paths.write_errors(str(out)):
        program = kernel.read_bytes()
        if settings.signer:
            program = signed(program, settings.signer, APPLIANCE)
        (out / SERVED / APPLIANCE).parent.mkdir()
        (out / SERVED / APPLIANCE).write_bytes(program)
        texts = {"dnsmasq.conf": _dnsmasq(out, place), "nginx.conf": _nginx(place), "README.txt": _readme(out, place)}
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    return (*(f"{SERVED}{path}" for path in served.files), f"{SERVED}/{APPLIANCE}", *texts)


def _dnsmasq(out: Path, place: Place) -> str:
    network = ipaddress.IPv4Network(f"{place.address}/24", strict=False)
    return f"""\
# Gives addresses, the appliance's kernel by TFTP (PXE), and the address of the menu (HTTP boot). No DNS.
port=0
interface={place.interface}
bind-interfaces
dhcp-range={network[_FIRST]},{network[_LAST]},1h
enable-tftp
tftp-root={out.absolute() / SERVED}
dhcp-match=set:pxe,option:client-arch,7
dhcp-match=set:pxe,option:client-arch,9
dhcp-boot=tag:pxe,{APPLIANCE}
# Instead of it, the menu, which reads models by TFTP:
# dhcp-boot=tag:pxe,{EFI_NAME}
dhcp-match=set:http,option:client-arch,16
dhcp-option-force=tag:http,60,HTTPClient
dhcp-boot=tag:http,{place.url}/{EFI_NAME}
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


def _readme(out: Path, place: Place) -> str:
    folder = out.absolute()
    return f"""\
PCs on the network of {place.interface} boot kgpt from this machine, whose address there is {place.address}.
A second DHCP server disturbs all machines of a network: use one of its own.

    sudo ip addr add {place.address}/24 dev {place.interface}
    sudo nginx -e stderr -p {folder} -c nginx.conf -g "daemon off;"
    sudo dnsmasq --keep-in-foreground --conf-file={folder}/dnsmasq.conf

nginx's user must be able to read this folder. A PC that boots by
  PXE        gets {SERVED}/{APPLIANCE} by TFTP, which reads the model from nginx;
  HTTP boot  gets {SERVED}/{EFI_NAME} from nginx, which shows its menu.
To change the menu, edit {SERVED}/kgpt/menu.cfg.
"""
