"""`python -m pgconflict`."""

import sys

from pgconflict.cli.main import program

sys.exit(program())
