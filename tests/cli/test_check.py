"""``flask media check``: every fault is named, and what to do about it said."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from PIL import Image

from flask_media import FlaskMedia
from flask_media.emulator import GeminiEmulator

from .support import MakeShop
from .support import Shop
from .support import findings


def test_all_is_well(shop: Shop) -> None:
    """A line each in the order of a picture's way, none over 80 columns but for a path that is
    longer, and exit code 0."""
    result = shop.run("check")
    assert result.exit_code == 0, result.output
    names = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("ok")]
    assert names == ["config", "key", "model", "folder", "journal", "queue"]
    assert result.stdout.endswith("\nAll is well.\n")
    lines = result.stdout.replace(str(shop.folder), "/srv/shop").splitlines()
    assert max(map(len, lines)) <= 80
    assert not list((shop.folder / "instance" / "media").rglob("*.txt"))


def test_it_pays_nothing(shop: Shop, emulator: GeminiEmulator) -> None:
    """The model is asked for its description alone."""
    assert shop.run("check").exit_code == 0
    assert {(one.method, one.action) for one in emulator.requests} == {("GET", "")}


def test_json(shop: Shop) -> None:
    """As JSON each has a name, a status, a message and an advice."""
    document = shop.json("check")
    assert document["ok"] is True
    assert {tuple(one) for one in document["checks"]} == {("name", "status", "message", "advice")}


@pytest.mark.parametrize(
    ("mode", "name", "words"),
    [
        ("400-key", "key", "Check GEMINI_API_KEY"),
        ("403", "key", "Check GEMINI_API_KEY"),
        ("404", "model", "Check GEMINI_MODEL"),
        ("429", "key", "rate limit"),
        ("503", "api", "not available (503)"),
        ("reset", "api", "could not be asked about"),
        ("html", "model", "does not say that it makes content"),
    ],
)
def test_gemini(shop: Shop, emulator: GeminiEmulator, mode: str, name: str, words: str) -> None:
    """A wrong key, an unknown model and an API that is away are told apart."""
    if mode == "html":
        from flask_media.emulator import Reply

        page = Reply(raw=b"<html>a captive portal</html>", content_type="text/html")
        emulator.handler(lambda _: page)
    else:
        emulator.default_mode = mode
    found = findings(shop)
    assert found[name]["status"] == "fail"
    assert words in found[name]["message"]
    assert shop.run("check").exit_code == 1


def test_no_key(make_shop: MakeShop) -> None:
    """A key that is not set is said to be that, with where to get one."""
    found = findings(make_shop(GEMINI_API_KEY=""))
    assert found["key"]["status"] == "fail"
    assert "https://aistudio.google.com/apikey" in found["key"]["message"]
    assert "model" not in found


def test_nobody_there(make_shop: MakeShop) -> None:
    """A wrong GEMINI_BASE_URL is named."""
    found = findings(make_shop(GEMINI_BASE_URL="http://127.0.0.1:9"))
    assert found["api"]["status"] == "fail"
    assert "GEMINI_BASE_URL" in found["api"]["message"]
    assert "key" not in found


@pytest.mark.parametrize(("budget", "status"), [(None, "warn"), ("5", "fail")])
def test_a_model_without_a_price(make_shop: MakeShop, budget: str | None, status: str) -> None:
    """One that is not in the table is doubtful, and with a budget it is a fault."""
    found = findings(make_shop(GEMINI_MODEL="gemini-of-2030", MEDIA_BUDGET_USD_PER_DAY=budget))
    assert found["model"]["status"] == status
    assert "not in the table of models" in found["model"]["message"]


def test_fallback_models(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """Each fallback model is asked about too."""
    shop = make_shop(GEMINI_FALLBACK_MODELS="gemini-3-pro-image,stub-404")
    document = shop.json("check")
    models = [one for one in document["checks"] if one["name"] == "model"]
    assert [one["status"] for one in models] == ["ok", "ok", "fail"]
    assert "stub-404" in models[2]["message"]


def test_placeholder(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """The placeholder needs no key, and is pointed out."""
    found = findings(make_shop(MEDIA_GENERATOR="placeholder", GEMINI_API_KEY=""))
    assert found["model"]["status"] == "warn"
    assert emulator.calls == 0


def test_a_misspelt_key(make_shop: MakeShop) -> None:
    """A config key that nobody reads is named with the one that is meant."""
    found = findings(make_shop(SPACES_BUKET="media", DIGITALOCEAN_SPACES_KEY="x"))
    assert found["config"]["status"] == "warn"
    assert "SPACES_BUKET is not read; did you mean SPACES_BUCKET?" in found["config"]["message"]
    assert "did you mean SPACES_KEY?" in found["config"]["message"]


def test_a_folder_that_is_none(shop: Shop) -> None:
    """A folder that can't be written to is named."""
    (shop.folder / "instance").mkdir()
    (shop.folder / "instance" / "media").write_text("a file")
    found = findings(shop)
    assert found["folder"]["status"] == "fail"
    assert "MEDIA_FOLDER" in found["folder"]["message"]


def test_memory_is_pointed_out(make_shop: MakeShop) -> None:
    """Pictures in memory are gone with the process."""
    document = make_shop(MEDIA_STORAGE="memory").json("check")
    memory = [one["status"] for one in document["checks"] if one["name"] == "memory"]
    assert memory == ["ok", "warn"]


def test_links(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """No blueprint for a folder, and a blueprint without SECRET_KEY, are told; with both it is
    well."""
    found = findings(make_shop(MEDIA_FILES_URL=""))
    assert "No blueprint" in found["links"]["message"]
    shop = make_shop(MEDIA_FILES_URL="")
    blueprint = FlaskMedia().create_blueprint(authorize=lambda request: "me")
    shop.app.register_blueprint(blueprint, url_prefix="/media")
    found = findings(shop)
    assert found["links"]["status"] == "warn"
    assert "SECRET_KEY" in found["links"]["message"]
    shop.app.config["SECRET_KEY"] = "secret-password"
    assert findings(shop)["links"]["status"] == "ok"


@pytest.mark.parametrize("when", ["eager", "later", "lazy"])
def test_variants(make_shop: MakeShop, when: str) -> None:
    """Variants are told of with their formats; lazy ones that no blueprint makes are a fault."""
    shop = make_shop(
        MEDIA_VARIANTS={
            f"{form}-{width}": {"width": width, "format": form}
            for form in ("avif", "webp")
            for width in (320, 640)
        },
        MEDIA_VARIANTS_WHEN=when,
    )
    found = findings(shop)["variants"]
    if when == "lazy":
        assert found["status"] == "fail"
        assert "create_blueprint" in found["advice"]
        blueprint = FlaskMedia().create_blueprint(authorize=lambda request: "me")
        shop.app.register_blueprint(blueprint, url_prefix="/media")
        found = findings(shop)["variants"]
    assert found["status"] == "ok"
    assert found["message"] == f"4 variants of each picture, as AVIF and WEBP, {when}"


def test_variants_that_pillow_can_not_write(
    make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pillow that was built without a format that variants have is named."""
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    found = findings(make_shop(MEDIA_VARIANTS={"card": {"width": 64, "format": "avif"}}))
    assert found["variants"]["status"] == "fail"
    assert "Pillow can't write AVIF here" in found["variants"]["message"]


def test_files_url_that_serves_nothing(make_shop: MakeShop) -> None:
    """A MEDIA_FILES_URL that no web server answers is a fault."""
    found = findings(make_shop(MEDIA_FILES_URL="http://127.0.0.1:9/pictures"))
    assert found["url"]["status"] == "fail"
    assert "MEDIA_FILES_URL" in found["url"]["advice"]


def test_a_locked_journal(shop: Shop) -> None:
    """A journal that another process keeps locked is told to be that, within seconds."""
    shop.media.journal.check()
    connection = sqlite3.connect(shop.folder / "instance" / "media.sqlite3")
    try:
        connection.execute("BEGIN EXCLUSIVE")
        found = findings(shop)
    finally:
        connection.close()
    assert found["journal"]["status"] == "fail"
    assert "keeps it locked" in found["journal"]["message"]
    assert findings(shop)["journal"]["status"] == "ok"


def test_a_locked_journal_on_postgresql(make_shop: MakeShop, postgres: Any) -> None:
    """So is one on PostgreSQL whose tables somebody locks."""
    import sqlalchemy as sa

    url = postgres()
    shop = make_shop(MEDIA_JOURNAL_URL=url)
    assert findings(shop)["journal"]["status"] == "ok"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE media_schema IN ACCESS EXCLUSIVE MODE")
        found = findings(shop)
    assert found["journal"]["status"] == "fail"
    assert "keeps it locked" in found["journal"]["message"]
    assert "postgres:" not in json.dumps(found)


@pytest.mark.parametrize("kind", ["folder is a file", "read only", "newer", "no journal"])
def test_an_unwritable_journal(make_shop: MakeShop, kind: str) -> None:
    """A journal that can't be made, can't be written, or is of a newer version is named."""
    shop = make_shop()
    path = shop.folder / "instance" / "media.sqlite3"
    shop.media.journal.check()
    shop.media.close()
    url = f"sqlite:///{path}"
    if kind == "folder is a file":
        url = f"sqlite:///{path}/journal.sqlite3"
    elif kind == "read only":
        url = "sqlite:////proc/sys/journal.sqlite3"
    elif kind == "newer":
        connection = sqlite3.connect(path)
        connection.execute("UPDATE media_schema SET version = 99")
        connection.commit()
        connection.close()
    else:
        path.write_text("no database at all, but a text that somebody put here" * 100)
    found = findings(make_shop(MEDIA_JOURNAL_URL=url))
    assert found["journal"]["status"] == "fail"
    assert "MEDIA_JOURNAL_URL" in found["journal"]["message"]
    if kind == "newer":
        assert "made by a newer Flask-Media" in found["journal"]["message"]


def test_jobs_that_wait(shop: Shop, emulator: GeminiEmulator) -> None:
    """Unfinished jobs that nobody is at are pointed out."""
    emulator.script("reset")
    assert shop.run("generate", "A house", "house.png").exit_code == 1
    found = findings(shop)
    assert found["jobs"]["status"] == "warn"
    assert "flask media resume --all" in found["jobs"]["advice"]
