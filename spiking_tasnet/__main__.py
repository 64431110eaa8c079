"""`python -m spiking_tasnet` is the console command `spiking-tasnet`."""

import os
import sys

if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):
    # A csv.py or torch.py in the folder this is called from is none of ours; our own checkout goes last.
    caller, own = sys.path.pop(0) or os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.realpath(caller) == os.path.realpath(own):
        sys.path.append(own)

from spiking_tasnet.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
