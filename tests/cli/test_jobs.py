"""``flask media jobs``, ``resume``, ``usage`` and ``gc``."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media.emulator import GeminiEmulator

from ..jobs.support import drop
from ..journal.support import Gate
from ..journal.support import sql
from .support import MakeShop
from .support import Shop
from .support import interrupt
from .support import plain


@pytest.fixture
def busy_shop(shop: Shop, emulator: GeminiEmulator) -> Shop:
    """A shop with a job that is done, one that failed and one that was cut off."""
    emulator.script("ok", "image-safety", "reset")
    for number, spender in enumerate(("ann", "bob", "ann"), 1):
        shop.run("generate", f"House {number}", f"houses/{number}.png", "--spender", spender)
    return shop


def test_list(busy_shop: Shop) -> None:
    """The jobs are a table, the newest first, within 80 columns."""
    result = busy_shop.run("jobs")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["job", "state", "asked", "(UTC)", "cost", "spender", "key"]
    assert [row.split()[1] for row in rows] == ["unknown", "failed", "done"]
    assert [row.split()[-1] for row in rows] == [f"houses/{n}.png" for n in (3, 2, 1)]
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ("--state failed", ["2"]),
        ("--spender ann", ["3", "1"]),
        ("--spender ann --state done", ["1"]),
        ("--limit 2", ["3", "2"]),
        ("--since 1h", ["3", "2", "1"]),
        ("--since today --spender bob", ["2"]),
        ("--since 2999-01-01", []),
    ],
)
def test_filters(busy_shop: Shop, options: str, keys: list[str]) -> None:
    """Filters by state, spender, time and number go together."""
    found = busy_shop.lines("jobs", *options.split())
    assert [one["object_key"] for one in found] == [f"houses/{key}.png" for key in keys]


def test_no_such_jobs(shop: Shop) -> None:
    """No jobs are said to be none."""
    assert shop.run("jobs").stdout == "There are no such jobs.\n"


def test_wrong_filters(shop: Shop) -> None:
    """A wrong filter is one line that says what is allowed."""
    for line in ("--state gone", "--since never", "--limit 0", "--since 2026-13-01"):
        result = shop.run("jobs", *line.split())
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    with pytest.raises(InvalidRequest, match="state is 'gone'"):
        shop.media.jobs(state="gone")


def test_show(busy_shop: Shop) -> None:
    """All that is known of a job is told, found by the beginning of its id."""
    jobs = {one["object_key"][7]: one for one in busy_shop.lines("jobs")}
    done = busy_shop.run("jobs", "show", jobs["1"]["id"][:8]).stdout
    for words in (jobs["1"]["id"], "House 1", "/pictures/houses/1.png", "$0.0336", "1024 x 1024"):
        assert words in done
    failed = busy_shop.run("jobs", "show", jobs["2"]["id"]).stdout
    assert "ContentBlocked: " in failed
    unknown = busy_shop.run("jobs", "show", jobs["3"]["id"]).stdout
    assert "and maybe $0.0340 for calls that were cut off" in unknown.replace("\n            ", " ")
    assert "flask media resume" in unknown
    assert max(map(len, [*failed.splitlines(), *unknown.splitlines()])) <= 80
    document = busy_shop.json("jobs", "show", jobs["3"]["id"])
    assert document["attempts"][0]["outcome"] == "unknown"
    assert document["attempts"][0]["model"] == "gemini-nano-banana-2.1"
    assert document["error"]["type"] == "OutcomeUnknown"


def test_options_of_the_list(busy_shop: Shop) -> None:
    """``--json`` before ``show`` is its own; what chooses among jobs is refused there."""
    job = busy_shop.lines("jobs")[0]["id"]
    assert json.loads(busy_shop.run("jobs", "--json", "show", job).stdout)["id"] == job
    for option in (("--state", "failed"), ("--limit", "3"), ("--since", "1h"), ("--spender", "a")):
        result = busy_shop.run("jobs", *option, "show", job)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"{option[0]} is for the list" in result.stderr


def test_there_are_more(busy_shop: Shop) -> None:
    """A list that was cut says so, and one that was not does not."""
    said = busy_shop.run("jobs", "--limit", "2").stdout.splitlines()
    assert (len(said), said[-1].startswith("There are more")) == (4, True)
    assert "more" not in busy_shop.run("jobs", "--limit", "3").stdout


def test_show_nothing(busy_shop: Shop) -> None:
    """An id that nobody has, or that is too short, is one line."""
    for beginning in ("ffff", "a", "%", "../x"):
        result = busy_shop.run("jobs", "show", beginning)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: The journal has no job")


def test_a_prompt_can_not_drive_the_terminal(shop: Shop) -> None:
    """Escape sequences in a prompt are not sent to the terminal."""
    job = shop.json("generate", "A \033]0;owned\007 house \033[2J", "house.png")
    code, screen = shop.on_terminal("jobs", "show", job["job_id"])
    assert code == 0
    assert "\033]0;" not in screen
    assert "\033[2J" not in screen
    assert "owned" in screen


def test_a_narrow_terminal(busy_shop: Shop) -> None:
    """On a terminal the table fits into its columns, with the end of long keys."""
    busy_shop.run("generate", "A", "a-folder/with/a/very/long/name/of/its/own/house-of-ann.png")
    code, screen = busy_shop.on_terminal("jobs")
    assert code == 0
    lines = plain(screen).splitlines()
    assert max(map(len, lines)) <= 79
    assert any(line.endswith("house-of-ann.png") and "…" in line for line in lines)
    assert "\033[" in screen


def test_resume_one(busy_shop: Shop, emulator: GeminiEmulator) -> None:
    """A job that was cut off is asked for again; a failed one says why it stays so."""
    jobs = {one["object_key"][7]: one["id"] for one in busy_shop.lines("jobs")}
    result = busy_shop.run("resume", jobs["3"][:8])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"Job {jobs['3']}: stored houses/3.png, /pictures/houses/3.png\n"
    result = busy_shop.run("resume", jobs["2"])
    assert result.exit_code == 1
    assert "IMAGE_SAFETY" in result.stderr
    assert "has failed for good, as follows, and nothing is asked now" in result.stderr
    assert emulator.calls == 4


def test_resume_all(busy_shop: Shop) -> None:
    """All that was left is gone on with, a line each."""
    (outcome,) = busy_shop.lines("resume", "--all")
    assert (outcome["status"], outcome["object_key"]) == ("stored", "houses/3.png")
    assert busy_shop.run("resume", "--all").stdout == "Nothing was left to do.\n"


def test_buy(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """Where MEDIA_ON_UNKNOWN is raise, only --buy asks again."""
    shop = make_shop(MEDIA_ON_UNKNOWN="raise")
    emulator.script("reset", "reset")
    for number in (1, 2):
        assert shop.run("generate", "House", f"{number}.png").exit_code == 1
    result = shop.run("resume", "--all")
    assert (result.exit_code, result.stderr.count("\n"), emulator.calls) == (1, 2, 2)
    first = shop.lines("jobs")[0]["id"]
    assert shop.run("resume", first).exit_code == 1
    assert shop.run("resume", first, "--buy").exit_code == 0
    assert shop.run("resume", "--all", "--buy").exit_code == 0
    assert emulator.calls == 4


def test_resume_what_is_not_stored(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of ``generate`` whose process died becomes a file, and is never thrown away."""
    from flask_media.values import Terms
    from flask_media.values import Wanted

    media, ids = shop.media, []
    for prompt in ("A house", "A boat", "A tower"):
        pipeline = media._pipeline
        wanted = Wanted(prompt=prompt, config=None, reference_images=())
        job = pipeline._job(wanted, None)
        claim: Any = pipeline._begin(pipeline._asking(job, Terms(), wanted), job)
        answer = media.generator.generate(job.request)
        media.journal.generated(claim, answer)
        media.journal.release(claim)
        ids.append(job.id)
    result = shop.run("resume", "--all")
    assert result.stdout.count("its picture waits. 'flask media resume") == 3
    monkeypatch.chdir(tmp_path)
    assert shop.run("resume", ids[0], "--output", "/nowhere/x.png").exit_code == 1
    assert shop.run("resume", ids[0]).stdout == f"Job {ids[0]}: saved {ids[0]}.png\n"
    (document,) = shop.lines("resume", ids[1], "--output", "boat.png")
    assert (document["status"], document["output"]) == ("saved", "boat.png")

    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", is_full)
    result = shop.run("resume", ids[2], "--output", "tower.png")
    assert "Error: tower.png could not be written: No space left on device." in result.stderr
    kept = shutil.move(result.stderr.rpartition("The picture is in ")[2].strip(), "kept.png")
    for name in (f"{ids[0]}.png", "boat.png", kept):
        with Image.open(tmp_path / name) as picture:
            picture.load()


def test_resume_arguments(shop: Shop) -> None:
    """Neither or both of a job and --all is refused."""
    for line in ([], ["abcd", "--all"]):
        result = shop.run("resume", *line)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_usage(busy_shop: Shop) -> None:
    """What was spent is told by day, model and spender, with the sum."""
    result = busy_shop.run("usage")
    tables = [block.splitlines() for block in result.stdout.strip().split("\n\n")]
    assert [one[0].split()[0] for one in tables] == ["day", "model", "spender"]
    assert [row.split()[0] for row in tables[2]] == ["spender", "ann", "bob", "all"]
    assert tables[2][1].split()[1:] == ["2", "1", "$0.0336", "-", "$0.0340"]
    assert max(map(len, result.stdout.splitlines())) <= 80
    document = busy_shop.json("usage", "--since", "1d")
    assert document["total"]["pictures"] == 1
    assert {one["spender"] for one in document["by"]["spender"]} == {"ann", "bob"}
    assert list(busy_shop.json("usage", "--by", "model")["by"]) == ["model"]
    assert busy_shop.json("usage", "--since", "2999-01-01")["total"]["jobs"] == 0


def test_gc(busy_shop: Shop) -> None:
    """Old finished jobs are forgotten, unfinished ones are not."""
    assert busy_shop.run("gc").stdout == "Forgot 0 jobs, deleted 0 objects, copied 0 objects.\n"
    url = f"sqlite:///{busy_shop.folder / 'instance' / 'media.sqlite3'}"
    sql(url, "UPDATE media_jobs SET updated_at = updated_at - 200000")
    document = busy_shop.json("gc", "--older-than", "1.5")
    assert document == {"jobs": 2, "deleted": 0, "copied": 0}
    assert [one["status"] for one in busy_shop.lines("jobs")] == ["unknown"]


def test_worker_once(shop: Shop, emulator: GeminiEmulator) -> None:
    """It finishes what waits in a dead process's queue, says so, and ends."""
    emulator.script("503", "ok", "image-safety")
    ids = [drop(shop.media, number) for number in range(3)]
    result = shop.run("worker", "--once")
    assert result.exit_code == 0, result.stderr
    ends = [shop.media.job(one).status for one in ids]
    assert sorted(ends) == ["done", "done", "failed"]
    assert result.stdout.count(": stored houses/") == 2
    assert "ContentBlocked" in result.stderr
    assert shop.run("worker", "--once").output == ""


def test_a_worker_told_twice(shop: Shop, gate: Gate) -> None:
    """A second Ctrl-C waits for nothing."""
    drop(shop.media, 1)
    process = shop.start("worker", "--once")
    gate.arrived()
    errors = interrupt(process)
    gate.open()
    assert (process.returncode, errors) == (130, "Stopped. What was under way is in the journal.\n")


def test_worker_once_of_a_broken_journal(make_shop: MakeShop, tmp_path: Path) -> None:
    """A fault is one line in the worker too."""
    shop = make_shop(MEDIA_JOURNAL_URL="sqlite:////proc/sys/journal.sqlite3")
    result = shop.run("worker", "--once")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_service_jobs(busy_shop: Shop) -> None:
    """``jobs`` of the service lists all spenders' or one's, page by page, and tells of calls."""
    media = busy_shop.media
    everybody = media.jobs()
    assert [job.object_key for job in everybody] == [f"houses/{n}.png" for n in (3, 2, 1)]
    assert [job.object_key for job in media.jobs(before=everybody[1].id)] == ["houses/1.png"]
    assert [job.spender for job in media.jobs("ann", limit=1)] == ["ann"]
    unknown, failed, done = everybody
    assert (done.model, done.prompt) == ("gemini-nano-banana-2.1", "House 1")
    assert done.usage is not None
    assert done.attempts[0].outcome == "generated"
    assert unknown.cost_usd is None
    assert unknown.possible_usd > 0
    assert isinstance(failed.error, MediaError)
    assert json.loads(json.dumps([one["id"] for one in busy_shop.lines("jobs")]))


def test_resume_to_a_file_what_is_stored(busy_shop: Shop) -> None:
    """A picture that has a place of its own goes into no file."""
    first = busy_shop.lines("jobs")[0]["id"]
    result = busy_shop.run("resume", first, "--output", "x.png")
    assert result.exit_code == 2
    assert "leave out --output" in result.stderr


def test_a_long_spender(shop: Shop, emulator: GeminiEmulator) -> None:
    """On a terminal the columns of text are cut until the line fits, and times never."""
    emulator.script("image-safety")
    shop.run("generate", "A house", "houses/1.png", "--spender", "s" * 90)
    for line in (("jobs",), ("usage",)):
        code, screen = shop.on_terminal(*line)
        lines = plain(screen).splitlines()
        assert code == 0
        assert max(map(len, lines)) <= 80
        assert "…sss" in screen
    moment = shop.media.jobs()[0].created_at
    assert f"{moment:%Y-%m-%d %H:%M}" in plain(shop.on_terminal("jobs")[1])


def test_no_model(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs without a model are no nobody's."""
    sql_url = f"sqlite:///{shop.folder / 'instance' / 'media.sqlite3'}"
    shop.run("generate", "A house", "houses/1.png")
    sql(sql_url, "UPDATE media_jobs SET model = NULL")
    assert "(none)" in shop.run("usage", "--by", "model").stdout
    assert "(nobody)" in shop.run("usage", "--by", "spender").stdout
