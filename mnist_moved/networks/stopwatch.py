"""How long training took, as one line of output: the train stage prints it, a sweep reads it back.

It is in no artifact: the same params give the same bytes, and never the same seconds.
"""

import re
import time
from typing import NamedTuple


class Seconds(NamedTuple):
    """Seconds on the clock, and those of all processor cores together that this process had."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"trained in {self.wall:.1f} s, {self.cpu:.1f} CPU s"


def now() -> Seconds:
    return Seconds(time.perf_counter(), time.process_time())


def since(start: Seconds) -> Seconds:
    return Seconds(*(end - begin for end, begin in zip(now(), start, strict=True)))


def find_seconds(log: str) -> Seconds | None:
    """Find the line in the output of a run; None if nothing was trained in it."""
    found = re.search(r"^trained in ([\d.]+) s, ([\d.]+) CPU s$", log, re.MULTILINE)
    return Seconds(*map(float, found.groups())) if found else None
