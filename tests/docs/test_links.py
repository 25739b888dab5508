"""Links lead somewhere: those within the project are looked up, others are well formed.

Sphinx checks the references between pages (``-n -W``).
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import ROOT

MARKDOWN = [ROOT / "README.md", ROOT / "CHANGES.md"]
TEXTS = [*MARKDOWN, *sorted((ROOT / "docs").glob("*.rst")), ROOT / "docs" / "_ext" / "external.py"]
IN_MARKDOWN = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
IN_REST = re.compile(r"`[^`<]*<(https?:[^>]*)>`__?|^\.\. _[^:]+: (\S+)$", re.MULTILINE)
EXAMPLE_HOSTS = re.compile(r"(.*\.)?(example|test|localhost)$|127\.0\.0\.1$|\[::1\]$")


def targets(page: Path) -> list[str]:
    """The links of a page."""
    text = page.read_text()
    if page.suffix == ".py":
        return re.findall(r"\"(https?://[^\"{}]+)\"", text)
    pattern = IN_MARKDOWN if page.suffix == ".md" else IN_REST
    return ["".join(found) for found in pattern.findall(text)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_links() -> None:
    """The patterns find links, so that none passes by not being found."""
    assert len(targets(MARKDOWN[0])) >= 20
    assert sum(len(targets(page)) for page in TEXTS[2:]) >= 5


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """A relative link is a file of the project and a heading in it; any other is https."""
    for target in targets(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), target
            assert not EXAMPLE_HOSTS.match(parts.netloc), target
            assert re.fullmatch(r"[!-~]*", target), target
            continue
        file = page.parent / parts.path if parts.path else page
        assert file.is_file(), target
        if parts.fragment:
            assert file.suffix == ".md", target
            assert parts.fragment in anchors(file), target


def test_every_page_is_linked_from_readme() -> None:
    """README's list of the docs has each page, but for those that only the site has."""
    linked = set(targets(MARKDOWN[0]))
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.rst")}
    site = {f"docs/{name}.rst" for name in ("api", "changes", "index", "installation")}
    assert pages - site <= linked, sorted(pages - site - linked)
