"""
What a plugin is tested with: fixtures for pytest, a toy run, and a contract for each kind of component.

An author's test is a subclass::

    from seqtrain.testing.contracts import ModelContract

    class TestRNN(ModelContract):
        name = "rnn"
        settings = {"hidden_dim": 16}

The fixtures come with seqtrain itself: `seqtrain_host`, `tiny_corpus`, `run_dir`, `make_run`.
"""
