"""`python -m pgconflict`."""

import sys

from pgconflict.cli.main import main

sys.exit(main())
