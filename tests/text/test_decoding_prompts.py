"""Language models in the search: it goes on from a prompt, with and without a memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from seqtrain_text.decoding import FullPrefixDecoding, Sources, beam_search
from seqtrain_text.search_config import SearchConfig

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = SimpleNamespace(bos=BOS, eos=EOS, padding=PAD, unknown=UNK)


class Counting(nn.Module):
    """After a token comes the next number, after 9 the end; and it notes what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[list[list[int]]] = []

    def forward(self, tokens: Tensor) -> Tensor:
        self.read.append(tokens.tolist())
        following = torch.where(tokens >= 9, EOS, tokens + 1)
        return nn.functional.one_hot(following, 10).float() * 20


@pytest.mark.parametrize("beam", [1, 2])
def test_a_prompt_is_read_before_its_last_token(beam: int) -> None:
    """What is found begins behind the prompt."""
    prompts = torch.tensor([[4, 5, 6], [7, 7, 7]])
    sources = Sources(net_input={"tokens": prompts[:, :-1]}, max_lengths=torch.tensor([9, 9]), first=prompts[:, -1])
    model = Counting()

    found = beam_search([model], sources, SearchConfig(beam=beam), SPECIAL)

    assert [[7, 8, 9], [8, 9]] == [each[0].tokens for each in found]
    assert prompts.repeat_interleave(beam, dim=0).tolist() == model.read[0]


def test_a_prompt_of_one_token_needs_no_reading() -> None:
    """The model then starts from nothing."""
    nothing = torch.empty(1, 0, dtype=torch.int64)
    sources = Sources(net_input={"tokens": nothing}, max_lengths=torch.tensor([3]), first=torch.tensor([5]))

    ((best,),) = beam_search([Counting()], sources, SearchConfig(beam=1), SPECIAL)
    assert [6, 7, 8] == best.tokens


def test_rows_keep_their_prompts() -> None:
    """Reordered, or with texts dropped, every row goes on from what it has read."""
    model = Counting()
    decoding = FullPrefixDecoding(model)
    state = decoding.start_decoding({"tokens": torch.tensor([[4], [6]])}, beam=2)
    decoding.decode_step(torch.tensor([[5], [6], [7], [8]]), state)
    state.reorder(torch.tensor([1, 0, 3, 3]))
    state.keep(torch.tensor([1]))
    logits = decoding.decode_step(torch.tensor([[4], [5]]), state)

    assert [[6, 8, 4], [6, 8, 5]] == model.read[-1]
    assert (2, 1, 10) == tuple(logits.shape)
