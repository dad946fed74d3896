"""A TFTP server that ignores requests for missing files: ``rude_tftp.py ADDRESS FOLDER [NAME BLOCKS]``; behind so many
blocks of the file NAME nothing more comes.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hosted"))

from tftp_server import How, TftpServer

if __name__ == "__main__":
    address, folder, *silent = sys.argv[1:]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    behind = (silent[0], int(silent[1])) if silent else None
    server = TftpServer(files, How(ignores_missing=True, silent_behind=behind, seconds=2), (address, 69))
    threading.Event().wait()
