"""`python -m nochat` is the command `nochat`."""

import sys

from nochat.cli import main

sys.exit(main())
