"""`python -m deeprke_tf <command>`, the same as `deeprke <command>`."""

import sys

from deeprke_tf import cli

if __name__ == "__main__":
    sys.exit(cli.main())
