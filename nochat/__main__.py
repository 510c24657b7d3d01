"""`python -m nochat` runs the command `nochat`."""

import sys

from nochat.cli import main

sys.exit(main())
