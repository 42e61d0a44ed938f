"""``python -m mlfast`` is the command line."""

import sys

from mlfast.cli import main

sys.exit(main())
