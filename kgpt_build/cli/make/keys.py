"""``kgpt keys``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.shared.options import verbose_option

_DEFAULT = Path("kgpt-secure-boot")


@click.group("keys")
def command() -> None:
    """Make keys for Secure Boot, and sign UEFI programs with them (docs/secure-boot.md).

    \b
    kgpt keys make                                              a key, and files for enrolment
    kgpt keys sign kgpt.efi --sign kgpt-secure-boot.key kgpt-secure-boot.crt
    """


@command.command("make")
@click.argument("base", metavar="[NAME]", default=_DEFAULT, type=click.Path(path_type=Path))
@click.option("--name", default="kgpt Secure Boot", show_default=True, metavar="TEXT", help="The certificate's name.")
@verbose_option
def make(base: Path, name: str) -> None:
    """Make a key as NAME.key, and its certificate as NAME.crt, NAME.cer and NAME.esl.

    NAME is a path without an ending, by default kgpt-secure-boot. Files that exist are never replaced. Only you can
    read NAME.key: whoever has it can sign programs that your PC starts.
    """
    from kgpt_build.signing.keys import make, read_certificate
    from kgpt_build.signing.signatures import fingerprint_of

    files = make(base, name)
    click.echo(f"wrote {files.key}: the private key; keep it secret, and not on the stick")
    click.echo(f"wrote {files.certificate}: the certificate (PEM), for --sign {files.key} {files.certificate}")
    click.echo(f"wrote {files.enrolment}: the certificate (DER), for the setup of firmware and for MokManager")
    click.echo(f"wrote {files.signature_list}: the certificate as a signature list, for firmware that asks for one")
    click.echo(f"certificate sha256 {fingerprint_of(read_certificate(files.certificate))}")


@command.command("sign")
@click.argument("program", metavar="FILE.efi", type=click.Path(path_type=Path))
@click.option(
    "--sign",
    "pair",
    nargs=2,
    required=True,
    type=click.Path(path_type=Path),
    metavar="KEY CERT",
    help="The .key and .crt files of kgpt keys make.",
)
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The signed program. [default: FILE.efi itself]",
)
@verbose_option
def sign(program: Path, pair: tuple[Path, Path], out: Path | None) -> None:
    """Sign a UEFI program, such as kgpt.efi. It stays a multiboot kernel."""
    from kgpt_build.errors import KgptError
    from kgpt_build.paths import write_atomically
    from kgpt_build.signing.sign import find_signer, signed

    signer = find_signer(*pair)
    try:
        data = program.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {program}: {error.strerror}", "give a kgpt.efi that kgpt build made") from error
    result = signed(data, signer, str(program))
    out = out or program
    write_atomically(out, result)
    click.echo(f"signed {out}: {len(result):,} bytes, with {pair[1]}")
