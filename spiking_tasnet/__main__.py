"""`python -m spiking_tasnet` is the console command `spiking-tasnet`."""

import sys

from spiking_tasnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
