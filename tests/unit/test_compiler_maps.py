"""The options that keep the compiler's folder out of debug information."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.kernel.makefile import compiler_maps


def test_a_folder_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "zig"
    folder.mkdir()
    assert compiler_maps(folder, tmp_path / "root") == [f"-ffile-prefix-map={folder.resolve()}=compiler"]


def test_an_environment_that_is_a_link(tmp_path: Path) -> None:
    """Zig calls itself by the name without links."""
    (tmp_path / "real" / "zig").mkdir(parents=True)
    root = tmp_path / "root"
    root.mkdir()
    (root / ".venv").symlink_to(tmp_path / "real")
    maps = compiler_maps(root / ".venv" / "zig", root)
    assert maps == [
        f"-ffile-prefix-map={root / '.venv' / 'zig'}=compiler",
        "-ffile-prefix-map=.venv/zig=compiler",
        f"-ffile-prefix-map={(tmp_path / 'real' / 'zig').resolve()}=compiler",
    ]
