#!/usr/bin/env bash
# python-dateutil 2.9.0.post0
# Guess: `dayfirst=True` is for dates that leave it open, such as 05/01/2024. A note's
#   `created: 2024-01-05` begins with its year and is ISO 8601, so it is the fifth of January.
# Seen: it is the first of May, with and without a time. A reader of notes that passes the person's
#   order on to the parser turns the months and days of all ISO dates up to the twelfth.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages python-dateutil==2.9.0.post0
"$PYTHON" <<'PYTHON'
from dateutil.parser import isoparse, parse

for told in ("2024-01-05", "2024-01-05 10:11", "2024-01-05T10:11:00Z", "2024-01-13"):
    read = parse(told, dayfirst=True)
    print(f"{told:22} dayfirst: {read:%d %B}   isoparse: {isoparse(told.replace(' ', 'T')):%d %B}")
assert (parse("2024-01-05", dayfirst=True).month, parse("2024-01-05").month) == (5, 1)
assert parse("2024-01-05T10:11:00Z", dayfirst=True).month == 5
assert parse("2024-01-13", dayfirst=True).month == 1
PYTHON
