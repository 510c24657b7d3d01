"""Run the course: `python -m nochat.lab.course`."""

import sys

from nochat.lab.course.execution import main

if __name__ == "__main__":
    sys.exit(main())
