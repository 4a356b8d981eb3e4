"""
What the authors of plugins need: templates, checks, fixtures for pytest, and a contract for each kind of component.

An author's test is a subclass::

    from seqtrain_testing.contracts import ModelContract

    class TestRNN(ModelContract):
        name = "rnn"
        settings = {"hidden_dim": 16}

The fixtures need no import: `seqtrain_host`, `tiny_corpus`, `run_dir`, `make_run`.
"""
