"""The daemon's log: private, renewed when it is full, and where a crash says its last words."""

import subprocess
import sys
from pathlib import Path

from tests.acceptance.processes import DEADLINE_SECONDS, environment

PROGRAM = """
import logging, os, sys
from memory_mcp.daemon import log
log.FILE_BYTES_MAX = 2_000
log.log_to(sys.argv[1])
for number in range(200):
    logging.getLogger("memory_mcp.daemon.life").info("line %d", number)
logging.getLogger("memory_mcp.services").info("not asked for")
print("printed", flush=True)
os.write(2, b"last words")
"""


def test_a_full_log_is_renewed_and_three_old_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "memory.db.daemon.log"
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        env=environment(),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    files = sorted(tmp_path.iterdir())
    assert (ended.stdout, ended.stderr) == (b"", b"")
    assert [file.name for file in files] == [
        "memory.db.daemon.log",
        "memory.db.daemon.log.1",
        "memory.db.daemon.log.2",
        "memory.db.daemon.log.3",
    ]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    newest = path.read_text()
    assert "line 199\n" in newest
    assert "printed" in newest
    assert newest.endswith("last words")
    assert "not asked for" not in "".join(file.read_text() for file in files)
