"""Try to lose, break and forge something, and write down what came of it.

    python -m tests.proof              # minutes, as CI does
    python -m tests.proof long         # an hour
    python -m tests.proof chaos fuzz   # these trials
    python -m tests.proof --write      # then the pages' tables have the figures

Each trial works on stores of its own in a temporary folder, with a load that is bounded in count
and time. The same seed makes the same choices; when a kill lands depends on the machine all the
same.

Exit code 1: at least one promise was broken; each is named with what was seen.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.proof import chaos, clock, disk, forgery, forgetting, fuzz, secrets
from tests.proof.figure import Figure, Scale, Trial
from tests.proof.table import write

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "durability.md", ROOT / "docs" / "security.md")
TRIALS: dict[str, Trial] = {
    "chaos": chaos.trial,
    "fuzz": fuzz.trial,
    "disk": disk.trial,
    "clock": clock.trial,
    "forgery": forgery.trial,
    "secrets": secrets.trial,
    "forgetting": forgetting.trial,
}


def main() -> int:
    """Run the trials, print each figure, compare with none broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("what", nargs="*", metavar="TRIAL", help=f"long, or {', '.join(TRIALS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the pages' tables")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the stores in there")
    arguments = parser.parse_args()
    names = [name for name in arguments.what if name != "long"] or list(TRIALS)
    if unknown := [name for name in names if name not in TRIALS]:
        parser.error(f"no trial is called {', '.join(unknown)}; there are {', '.join(TRIALS)}")
    long = "long" in arguments.what
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="memory-mcp-proof-") as scratch:
        for name in names:
            folder = (arguments.keep or Path(scratch)) / name
            folder.mkdir(parents=True)
            scale = Scale(folder=folder, seed=arguments.seed, long=long)
            started = time.monotonic()
            found = TRIALS[name](scale)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
            for figure in found:
                print(f"  {figure.verdict:6} {figure.promise:4} {figure.seen}", flush=True)
            figures += found
    if arguments.write:
        for page in PAGES:
            write(page, figures)
    broken = [figure for figure in figures if figure.broken]
    for figure in broken:
        print(f"BROKEN {figure.promise}: {figure.seen}", *figure.broken[:5], sep="\n  ")
    print(f"{len(figures) - len(broken)} of {len(figures)} promises held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
