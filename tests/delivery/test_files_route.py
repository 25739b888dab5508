"""Variants behind the blueprint: whose keys they may have, and what is served without a journal."""

from __future__ import annotations

from typing import Any

import pytest

from flask_media import InvalidRequest
from flask_media import JournalError

from ..journal.support import png as painted
from .conftest import MakeSite
from .moments import KEY
from .moments import THUMB
from .moments import failing
from .site import Site
from .site import on_both
from .site import shape

ONE = {"thumb": 16}

AWAY = JournalError("The database is away.")


def without_journal(site: Site) -> Any:
    """While the journal can't be read."""
    return failing(site.media.journal.catalog._db, "read", "write", error=AWAY)


@on_both
def test_without_the_journal(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """While the journal is away, pictures and variants are there for who is let in and who has a
    signed link, and strangers are asked to come again."""
    site.media.upload(painted("red"), KEY, variants=ONE)
    site.media.publish(KEY)
    with site.app.app_context():
        links = [site.media.signed_url(key) for key in (KEY, THUMB)]
    with without_journal(site):
        for url in (f"/media/files/{KEY}", f"/media/files/{THUMB}"):
            assert site.get(url).status_code == 200
            assert site.get(url, None).status_code == 503
        assert [site.get(link, None).status_code for link in links] == [200, 200]
        assert site.get("/media/files/nothing.png").status_code == 404
    assert "The database is away." in caplog.text
    assert site.get(f"/media/files/{KEY}", None).status_code == 200


def test_whose_without_the_journal(make_site: MakeSite) -> None:
    """Where can_read says who sees what, what may be a variant of another's picture is not served
    by its own key; pictures are, to those who may see them. Others are asked to come again."""
    asked: list[str] = []

    def can_read(who: str, key: str) -> bool:
        asked.append(key)
        return key != "secret.png"

    site = make_site(can_read=can_read)
    for key in (KEY, "secret.png"):
        site.media.upload(painted("red"), key, variants=ONE)
    with without_journal(site):
        statuses = {
            key: site.get(f"/media/files/{key}").status_code
            for key in (KEY, "secret.png", THUMB, "secret.thumb.webp")
        }
    assert statuses == {KEY: 200, "secret.png": 503, THUMB: 503, "secret.thumb.webp": 503}
    assert set(asked) == {KEY, "secret.png"}


@pytest.fixture
def careful(make_site: MakeSite) -> Site:
    """An app whose clients name keys, and overwrite nothing."""
    return make_site(client_keys=True, overwrite=False, object_key="generated/{spender}/{id}.png")


def post(site: Site, key: str, **values: Any) -> int:
    """Ask for a picture of that key; the status."""
    body = {"prompt": "A sea house", "object_key": f"generated/eve/{key}"} | values
    headers = {"X-User": "eve", "Prefer": "wait"}
    response = site.app.test_client().post("/media/generate", json=body, headers=headers)
    return response.status_code


def test_a_key_that_is_taken(careful: Site) -> None:
    """A variant neither overwrites a picture nor takes its place in the listing, and nothing is
    paid for trying."""
    taken = "generated/eve/report.final.webp"
    assert post(careful, "report.final.webp") == 201
    before = careful.media.stat(taken)
    assert post(careful, "report.final.webp", prompt="A barn") == 409
    assert post(careful, "report.png", variants={"final": 8}) == 422
    assert careful.emulator.calls == 1
    assert careful.media.stat(taken) == before
    assert careful.media.info(taken).sha256 == before.sha256
    with careful.app.app_context(), pytest.raises(InvalidRequest, match="another picture"):
        careful.media.upload(painted("red"), "generated/eve/report.png", variants={"final": 8})
    careful.media.delete("generated/eve/report.png")
    assert careful.media.stat(taken) == before


def test_an_object_that_nobody_lists(careful: Site) -> None:
    """Nor does it overwrite an object that the journal does not know."""
    path = careful.folder / "generated/eve/report.final.webp"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"theirs")
    assert post(careful, "report.png", variants={"final": 8}) == 409
    assert path.read_bytes() == b"theirs"
    assert careful.emulator.calls == 0


def test_a_variant_whose_key_becomes_a_picture(site: Site) -> None:
    """A picture that is stored under the key of a variant is not replaced when that is made anew,
    nor deleted with the other picture."""
    site.media.upload(painted("red"), KEY, variants=ONE)
    site.media.upload(painted("blue"), THUMB, variants={})
    before = (site.folder / THUMB).read_bytes()
    with pytest.raises(InvalidRequest, match="another picture"):
        site.media.make_variants(KEY, ONE)
    assert (site.folder / THUMB).read_bytes() == before
    assert shape(before)[0] == "WEBP"
