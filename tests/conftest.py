"""What all tests share."""

from __future__ import annotations

import os

# Read by torch when it is first imported, here and in processes that tests start. The models of the tests are tiny:
# a second thread costs more than it brings, and on busy cores it makes them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
