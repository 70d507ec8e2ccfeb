"""`python -m memory_mcp` is `memory-mcp`."""

import sys

from memory_mcp.cli import main

sys.exit(main())
