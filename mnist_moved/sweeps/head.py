"""A Ray on this machine alone, that lives no longer than whoever started it.

It is started by cluster.py, with PRIVATE in its environment, as a process in a session of its own. It prints
its address and the folder of its files, and waits for the end of its standard input, which comes when the
starter ends, however that is. If Ray does not start, it says why on the standard error stream.
"""

import os
import shutil
import signal
import sys
import tempfile
import traceback

ATTEMPTS = 3  # Ray gives a part of its own fifteen seconds to start, which on a busy machine are too few


def main() -> None:
    # Not in $TMPDIR, whose path may be too long for Ray's sockets.
    folder = tempfile.mkdtemp(prefix="sweep-", dir="/tmp")
    try:
        print(start(folder), folder, flush=True)
        sys.stdin.read()
    # Any exception: Ray raises a dozen types.
    except Exception as error:
        print(last_line(error), file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # Ray, and helpers that may outlive it


def start(folder: str) -> str:
    """Start Ray, and return its address."""
    import ray

    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "CRITICAL"}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ray.init("local", **options, _temp_dir=folder).address_info["address"]
        except Exception:
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise


def last_line(error: Exception) -> str:
    """The last line that Python would print of it: of a long message, the reason; of none, what it is."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


if __name__ == "__main__":
    main()
