"""Make the client libraries' environments, play with each, and write docs/clients.md."""

import shutil
import sys

import pytest
from tests.clients.libraries import LIBRARIES, scratch_folder
from tests.clients.table import write


def main() -> int:
    """The exit code of the tests; words on the command line choose libraries."""
    chosen = [one for one in LIBRARIES if not sys.argv[1:] or one.name in sys.argv[1:]]
    scratch = scratch_folder()
    left_out: dict[str, str] = {}
    for library in chosen:
        print(f"{library.name}: {', '.join(library.requirements)}", flush=True)
        if reason := library.install(scratch):
            print(f"  not installed: {reason}")
            left_out[library.name] = reason
    if not sys.argv[1:]:
        shutil.rmtree(scratch / "seen", ignore_errors=True)
    words = " or ".join(f"[{one.name}]" for one in chosen)
    selected = ["-k", words] if sys.argv[1:] else []
    ended = pytest.main(["-m", "clients", "tests/clients/test_clients.py", "-q", *selected])
    write(scratch, [one.name for one in LIBRARIES], left_out)
    return int(ended)


if __name__ == "__main__":
    sys.exit(main())
