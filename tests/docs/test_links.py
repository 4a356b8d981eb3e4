"""Links from one page to another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for glob in ("*.md", "core/*.md", "core/docs/**/*.md", "plugins/*/*.md", "seqtrain_*/*.md")
    for page in ROOT.glob(glob)
)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and PyPI give the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file or folder that is there, and to a heading that it has."""
    lost = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)

    assert lost == []


def test_a_lost_link_would_be_found(tmp_path: Path) -> None:
    """A file that is not there, and a heading that is not there."""
    page = tmp_path / "page.md"
    page.write_text("# A heading\n\n[here](page.md#a-heading) [gone](gone.md) [lost](#lost)\n")

    with pytest.raises(AssertionError, match=r"gone\.md.*#lost"):
        test_every_link_leads_somewhere(page)


def test_a_page_of_the_documents_is_linked_from_the_readme_of_core() -> None:
    """Nobody finds a page that nothing leads to."""
    readme = (ROOT / "core" / "README.md").read_text(encoding="utf-8")
    pages = [page for page in PAGES if (ROOT / "core" / "docs") in page.parents and "decisions" not in page.parts]

    assert [
        page.name for page in pages if f"(docs/{page.relative_to(ROOT / 'core' / 'docs').as_posix()})" not in readme
    ] == []
