"""Every mutant of the module that SEQTRAIN_MUTANTS names, held against its contract; for a pytest of its own."""

from __future__ import annotations

import importlib
import os

MODULE = importlib.import_module(os.environ["SEQTRAIN_MUTANTS"])

globals().update({f"Test{each.name}": each.test_class(MODULE.__name__) for each in MODULE.MUTANTS})
