"""The contracts of `seqtrain_testing.contracts`, under the name that they had before; the classes are the same."""

from __future__ import annotations

from seqtrain_testing.contracts import *  # noqa: F403 - all that is promised, whatever that is
from seqtrain_testing.contracts import __all__ as __all__  # noqa: PLC0414 - a re-export, for type checkers
