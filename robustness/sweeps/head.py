"""A Ray on this machine alone, that lives no longer than whoever started it.

It is started by cluster.py, with PRIVATE in its environment, as a process in a session of its own. It prints
its address and the folder of its files, and waits for the end of its standard input, which comes when the
starter ends, however that is.
"""

import os
import shutil
import signal
import sys
import tempfile

import ray


def main() -> None:
    # Not in $TMPDIR, whose path may be too long for Ray's sockets.
    folder = tempfile.mkdtemp(prefix="sweep-", dir="/tmp")
    try:
        context = ray.init(
            "local", include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=folder
        )
        print(context.address_info["address"], folder, flush=True)
        sys.stdin.read()
        ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # helpers of Ray may outlive it


if __name__ == "__main__":
    main()
