"""``kgpt netboot``: the folder, with the real nginx and dnsmasq in a network of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from chats import write_talker
from hosted import SECONDS, Hosted

from kgpt_build.cli import invoke
from kgpt_build.errors import UsageError
from kgpt_build.kernel import pe

ADDRESS = "10.77.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In a place that nginx's and dnsmasq's users can read, as pytest's folders are not."""
    model = write_talker(tmp_path_factory.mktemp("netboot"), n_ctx=64)
    words = ("--address", ADDRESS, "--interface", "lo", "--port", "8000")
    with tempfile.TemporaryDirectory(prefix="kgpt-netboot-") as base:
        Path(base).chmod(0o755)
        out = Path(base) / "new" / "folder"
        assert invoke(["netboot", str(out), str(model), *words]) == 0
        yield out


def test_the_kernel_of_pxe_knows_its_model(folder: Path) -> None:
    program = folder / "served" / "appliance" / "kgpt.efi"
    model = next((folder / "served" / "models").glob("*.gguf"))
    pe.require_efi(pe.read_pe(program))
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    words = f"model=http://{ADDRESS}:8000/models/{model.name}#sha256={digest} mode=serve slots=4"
    assert words.encode() in program.read_bytes()
    assert model.with_suffix(".kgct").is_file()
    assert "/models/" in (folder / "served" / "kgpt" / "menu.cfg").read_text()


@pytest.mark.parametrize("url", [f"http://{ADDRESS}:8000/models", f"tftp://{ADDRESS}/models"])
def test_nginx_and_dnsmasq_serve_the_folder(without_model: Hosted, folder: Path, url: str) -> None:
    """With the settings that are written, in a network namespace: a model comes from each."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "nginx", "dnsmasq"))):
        pytest.skip("needs root, iproute2, nginx and dnsmasq")
    model = next((folder / "served" / "models").glob("*.gguf"))
    line = f"mode=chat prompt=hello seed=1 max_tokens=4 exit model={url}/{model.name}"
    script = f"""
        set -eu
        ip link set lo up
        ip addr add {ADDRESS}/24 dev lo
        nginx -e stderr -p {folder} -c nginx.conf -g 'daemon off;' & nginx=$!
        dnsmasq --keep-in-foreground --conf-file={folder}/dnsmasq.conf & dnsmasq=$!
        trap 'kill $nginx $dnsmasq' EXIT
        {without_model.path} --cmdline '{line}'
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(SECONDS), check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert f"SHA-256 {digest[:8]}…; the server states none" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--address", "x", "--interface", "lo"), "x is no IPv4 address"),
        (("--address", ADDRESS, "--interface", "a b"), "'a b' is no network interface"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert invoke(["netboot", str(tmp_path / "new"), "default", *words]) == UsageError.exit_code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert invoke(["netboot", str(tmp_path), "default", "--address", ADDRESS, "--interface", "lo"]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
