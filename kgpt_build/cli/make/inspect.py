"""``kgpt inspect``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kgpt_build.cli.shared.options import arch_option, boot_file_argument, json_option
from kgpt_build.errors import KgptError
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.arch import Arch
    from kgpt_build.headers.blob import BlobInfo
    from kgpt_build.image.inspect import ImageInspection
    from kgpt_build.kernel.inspect import Inspection


@click.command("inspect")
@boot_file_argument
@arch_option
@json_option("Print one JSON object.")
def command(boot_file: Path, arch: Arch | None, as_json: bool) -> None:
    """Show what a kernel or an image contains.

    For a kernel: architecture, loaders, segments, sizes, model, self-tests, W^X. For an image of kgpt image: what boots
    where, the menu, and whether each file is what was written. For a UEFI program (.efi): who signed it. The exit code
    is 1 if a file is not what was written, or signed, and 2 if a kernel or program is not for --arch.
    """
    from kgpt_build.cli.shared.boot_file import require_arch
    from kgpt_build.kernel import inspect

    require_arch(boot_file, arch)
    if _is_program(boot_file):
        _show_program(boot_file, as_json=as_json)
        return
    if _is_medium(boot_file):
        _show_medium(boot_file, as_json=as_json)
        return
    found = inspect.inspect(boot_file)
    if as_json:
        click.echo(json.dumps(inspect.as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(report(found)))


def _is_program(path: Path) -> bool:
    """True for a UEFI program. A file that cannot be read counts as a kernel, whose reader refuses it."""
    from kgpt_build.media import is_pe

    try:
        return is_pe(path)
    except OSError:
        return False


def _show_program(path: Path, *, as_json: bool) -> None:
    """Show a UEFI program: its size, its SHA-256, and who signed it."""
    import hashlib

    from kgpt_build.media import arch_of_file
    from kgpt_build.signing.signatures import read_signatures

    data = path.read_bytes()
    try:
        signatures = read_signatures(data)
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    digest, arch = hashlib.sha256(data).hexdigest(), arch_of_file(path)
    title = arch.title if arch else "a processor that kgpt does not know"
    if as_json:
        signed = [{"signer": s.signer, "holds": s.holds, "certificate_sha256": s.fingerprint} for s in signatures]
        facts = {"path": str(path), "size": len(data), "sha256": digest, "arch": arch.name if arch else ""}
        click.echo(json.dumps({**facts, "signatures": signed}, indent=2))
    else:
        click.echo(f"{path}: {len(data):,} bytes, sha256 {digest}\nkind      a UEFI program for {title}")
        for signature in signatures:
            holds = "holds" if signature.holds else "DOES NOT HOLD"
            click.echo(f"signed    by {signature.signer}: {holds}; certificate sha256 {signature.fingerprint}")
        if not signatures:
            click.echo("signed    by nobody: Secure Boot refuses it (docs/secure-boot.md)")
    if not all(signature.holds for signature in signatures):
        raise KgptError(f"{path} was changed after it was signed", "make it again, and sign it: kgpt keys sign")


def _is_medium(path: Path) -> bool:
    """True for a disc or a disk. A file that cannot be read counts as a kernel, whose reader refuses it."""
    from kgpt_build.image.inspect import is_image

    try:
        return is_image(path)
    except OSError:
        return False


def _show_medium(path: Path, *, as_json: bool) -> None:
    from kgpt_build.image import inspect

    found = inspect.inspect(path)
    if as_json:
        click.echo(json.dumps(inspect.as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(medium_report(found)))
    if found.problems:
        raise KgptError(f"{path} is damaged: {'; '.join(found.problems)}", "make it again: kgpt image")


def medium_report(found: ImageInspection) -> Iterable[str]:
    """The lines for a person."""
    described = found.manifest
    kind = "a disc that is also a disk" if found.kind == "iso" else "a disk with a FAT partition"
    yield f"{found.path}: {found.size:,} bytes, sha256 {found.sha256}"
    yield f"kind      {kind}, volume {found.volume}, made by {described['generator']}, id {described['id'][:16]}"
    yield f"state     {'damaged' if found.problems else 'whole: each file is what was written'}"
    yield "boots"
    for boot in found.boots:
        yield f"  {boot.firmware} from a {boot.medium:<6}{boot.what or 'nothing'}"
    yield "files"
    for file in described["files"]:
        yield f"  {file['path']:<36}{file['size']:>13,} bytes  {file['sha256'][:16]}  {file['about']}"
    wait = f"{described['timeout']} s" if described["timeout"] >= 0 else "until somebody chooses"
    yield f"menu      {described['default']} boots {f'after {wait}' if described['timeout'] else 'at once'}"
    for entry in described["entries"]:
        yield f"  {entry['id']:<28}{entry['kernel']} {entry['cmdline']}"
        for module in entry["modules"]:
            yield f"  {'':<28}+ {module['path']}"


def report(found: Inspection) -> Iterable[str]:
    """The lines for a person."""
    yield f"{found.path}: {found.size:,} bytes, sha256 {found.sha256}"
    yield f"for       {found.arch.title}"
    yield f"loaders   {', '.join(found.loaders) or 'none: it cannot be booted'}"
    yield f"W^X       {'; '.join(found.wx_problems) or 'holds: nothing writable can be executed'}"
    yield f"kernel    {found.kernel_size:,} bytes of text and read-only data without the model"
    yield f"tests     {len(found.tests)} self-tests"
    yield from _model_lines(found.model)
    yield "segments"
    for segment in found.segments:
        yield f"  0x{segment.vaddr:08x}  {segment.permissions}  {segment.memsz:>12,} bytes"
    yield "sections"
    for section in found.sections:
        yield f"  {section.name:<16}{section.size:>12,} bytes"
    yield "largest symbols"
    for symbol in found.largest:
        yield f"  {symbol.name:<32}{symbol.size:>12,} bytes"


def _model_lines(model: BlobInfo | None) -> Iterable[str]:
    if model is None:
        yield "model     none"
        return
    if model.is_lm:
        yield from _lm_lines(model)
        return
    sizes = model.hparams
    yield f"model     {model.name}: {model.arch}, {model.n_parameters:,} parameters, {model.size:,} bytes"
    yield (
        f"          {counted(sizes.n_vocab, 'token')}, context {sizes.n_ctx}, width {sizes.n_embd}, "
        f"{counted(sizes.n_layer, 'layer')}, "
        f"{sizes.n_head} heads"
    )
    yield f"          sha256 {model.sha256}"


def _lm_lines(model: BlobInfo) -> Iterable[str]:
    if model.lm is None:
        yield "model     none: an engine for language models that the loader brings"
        return
    sizes, vocabulary = model.lm.hparams, model.lm.vocabulary
    pre = f" with the pre-tokenizer {vocabulary.pre}" if vocabulary.pre else ""
    yield f"model     {model.name}: {model.lm.arch}, {model.n_parameters:,} parameters, {model.size:,} bytes"
    yield (
        f"          {counted(sizes.n_vocab, 'token')}, context {sizes.n_ctx:,}, width {sizes.n_embd}, "
        f"{counted(sizes.n_layer, 'layer')}, "
        f"{sizes.n_head} heads ({sizes.n_head_kv} of keys)"
    )
    yield f"          types {', '.join(f'{count} {name}' for name, count in sorted(model.lm.types.items()))}"
    yield f"          tokenizer {vocabulary.model}{pre}, chat template {model.chat_family or 'none'}"
    if model.prefill:
        kind = "" if model.prefill.system else " of the template's own system prompt"
        yield (
            f"          prefill {counted(len(model.prefill.tokens), 'token')}{kind}, kv {model.prefill.kv}, "
            f"{model.prefill.size:,} bytes: every chat begins with them"
        )
    yield f"          sha256 {model.sha256} (of the GGUF file)"
