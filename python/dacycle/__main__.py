"""`python -m dacycle` is the command `dacycle`."""

import sys

from dacycle.cli import main

sys.exit(main())
