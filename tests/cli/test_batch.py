"""``flask media batch``: every row once, whatever ends it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator

from ..journal.support import Gate
from .support import MakeShop
from .support import Shop
from .support import interrupt
from .support import plain

HOUSES = ("--prompt", "House of {name}", "--key", "goals/{id}/house.png", "--size", "64x64")


def table(folder: Path, rows: int, name: str = "goals.csv") -> Path:
    """A CSV file with so many rows."""
    path = folder / name
    lines = ["id,name", *(f"{number},Owner {number}" for number in range(1, rows + 1))]
    path.write_text("\n".join(lines) + "\n")
    return path


def results(path: Path) -> list[dict[str, Any]]:
    """The lines of the results file of a batch's file."""
    with path.with_name(f"{path.name}.results.jsonl").open() as file:
        return [json.loads(line) for line in file]


def prompts(emulator: GeminiEmulator) -> list[str]:
    """The owners that the model was asked for, in the order of asking."""
    texts = [one.json["contents"][0]["parts"][0]["text"] for one in emulator.requests]
    return [text.partition("Owner ")[2].split()[0].rstrip(".,;:\"'") for text in texts]


def test_all_rows(shop: Shop, emulator: GeminiEmulator) -> None:
    """Each row has its picture under its key and its line in the results file; exit code 0."""
    path = table(shop.folder, 5)
    result = shop.run("batch", path, *HOUSES)
    assert result.exit_code == 0, result.output
    assert "5 pictures: 5 made. Cost: $0.1681." in result.stdout
    assert emulator.calls == 5
    assert all(shop.media.exists(f"goals/{number}/house.png") for number in range(1, 6))
    lines = results(path)
    assert sorted(line["row"] for line in lines) == [1, 2, 3, 4, 5]
    assert {line["status"] for line in lines} == {"done"}
    assert {line["width"] for line in lines} == {64}
    assert all(line["job_id"] and line["cost_usd"] and line["url"] for line in lines)


def test_again_nothing_is_paid(shop: Shop, emulator: GeminiEmulator) -> None:
    """The same rows again cost nothing, in another order and without the results file too; under
    another name they are new pictures."""
    path = table(shop.folder, 3)
    assert shop.run("batch", path, *HOUSES).exit_code == 0
    assert "3 done already" in shop.run("batch", path, *HOUSES).stdout
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "9,Owner 9", *reversed(lines[1:])]))
    path.with_name("goals.csv.results.jsonl").unlink()
    document = shop.json("batch", path, *HOUSES)
    assert (document["made"], document["already"], document["left"]) == (1, 3, 0)
    assert emulator.calls == 4
    assert shop.json("batch", path, *HOUSES, "--run", "spring")["made"] == 4


def test_killed_halfway(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """40 rows, killed halfway and run again: every picture is there, and only the calls that
    were cut off are made twice."""
    emulator.latency = 0.05
    shop = make_shop(MEDIA_LEASE=1)
    path = table(shop.folder, 40)
    process = shop.start("batch", path, *HOUSES, "--concurrency", "4")
    gate = Gate()

    def kill(ask: object) -> None:
        if len(emulator.requests) >= 20 and process.poll() is None:
            process.kill()
            gate.hold()  # the calls under way are never answered

    emulator.handler(kill)
    process.communicate(timeout=100)
    before = emulator.calls
    gate.open()
    assert process.returncode == -signal.SIGKILL
    assert 20 <= before <= 24
    was_stored = {line["object_key"] for line in results(path)}
    done = shop.end("batch", path, *HOUSES, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["made"] + document["already"], document["failed"]) == (40, 0)
    again = [name for name in set(prompts(emulator)) if prompts(emulator).count(name) > 1]
    assert emulator.calls == 40 + len(again)
    assert len(again) <= 4
    assert not {f"goals/{name}/house.png" for name in again} & was_stored
    assert all(shop.media.exists(f"goals/{number}/house.png") for number in range(1, 41))
    assert sorted({line["row"] for line in results(path)}) == list(range(1, 41))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    shop: Shop, emulator: GeminiEmulator, gate: Gate, number: signal.Signals
) -> None:
    """Ctrl-C lets what is under way come to its end, begins no more, and nothing is paid twice."""
    path = table(shop.folder, 10)
    process = shop.start("batch", path, *HOUSES, "--concurrency", "2")
    gate.arrived()
    gate.arrived()
    process.send_signal(number)
    assert process.stderr
    assert process.stderr.readline().startswith("Stopping: waiting for what is under way.")
    gate.open()
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "10 pictures: 2 made, 8 left." in said
    assert "The same command again goes on with what is left." in said
    assert {line["status"] for line in results(path)} == {"done"}
    assert shop.run("batch", path, *HOUSES).exit_code == 0
    assert emulator.calls == 10


def test_interrupted_twice(shop: Shop, emulator: GeminiEmulator, gate: Gate) -> None:
    """A second Ctrl-C waits for nothing; one that comes with the first is the first."""
    path = table(shop.folder, 4)
    process = shop.start("batch", path, *HOUSES, "--concurrency", "1")
    gate.arrived()
    stopping, said = interrupt(process).splitlines()
    assert stopping.startswith("Stopping: waiting for what is under way.")
    assert said == "Stopped. What was under way is in the journal."
    assert process.returncode == 130


def test_a_results_file_that_was_cut(shop: Shop, emulator: GeminiEmulator) -> None:
    """A line that a crash left half written is no result, and harms no other."""
    path = table(shop.folder, 2)
    assert shop.run("batch", path, *HOUSES).exit_code == 0
    file = path.with_name("goals.csv.results.jsonl")
    first, second = file.read_text().splitlines()
    file.write_text(f"{first}\n{second[:40]}")
    document = shop.json("batch", path, *HOUSES)
    assert (document["made"], document["already"]) == (0, 2)
    assert emulator.calls == 2
    assert len(file.read_text().splitlines()) == 3


def test_two_at_once(shop: Shop, gate: Gate) -> None:
    """A second process at the same batch is refused."""
    path = table(shop.folder, 2)
    process = shop.start("batch", path, *HOUSES)
    gate.arrived()
    result = shop.run("batch", path, *HOUSES)
    gate.open()
    process.communicate(timeout=60)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Another process is at this batch")
    assert process.returncode == 0


def test_failed_rows(shop: Shop, emulator: GeminiEmulator) -> None:
    """A row that the model refuses is told of and costs the others nothing; exit code 1."""
    path = table(shop.folder, 3)
    emulator.script("ok", "image-safety")
    result = shop.run("batch", path, *HOUSES, "--concurrency", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith("Row 2 (line 3): ContentBlocked: ")
    assert "3 pictures: 2 made, 1 failed." in result.stdout
    failed = results(path)[1]
    assert (failed["status"], failed["error"]["type"]) == ("failed", "ContentBlocked")
    assert failed["error"]["retryable"] is False


def test_rows_are_tried_again(shop: Shop, emulator: GeminiEmulator) -> None:
    """What can pass is tried again, --retries times."""
    path = table(shop.folder, 1)
    emulator.default_mode = "flaky,fail=4"
    assert shop.run("batch", path, *HOUSES, "--retries", "0").exit_code == 1
    assert shop.run("batch", path, *HOUSES, "--retries", "1").exit_code == 0


def test_the_budget_stops_it(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """A used-up budget stops the batch with a word; with more it goes on."""
    shop = make_shop(MEDIA_BUDGET_USD_PER_DAY="0.15")
    path = table(shop.folder, 10)
    result = shop.run("batch", path, *HOUSES, "--concurrency", "1")
    assert result.exit_code == 1
    assert "Stopped: MEDIA_BUDGET_USD_PER_DAY = 0.15 USD" in result.stderr
    assert "10 pictures: 4 made, 1 failed, 5 left." in result.stdout
    richer = make_shop(MEDIA_BUDGET_USD_PER_DAY="5")
    assert richer.run("batch", path, *HOUSES).exit_code == 0
    assert emulator.calls == 10


def test_a_wrong_key_stops_it(shop: Shop, emulator: GeminiEmulator) -> None:
    """Where no row would fare better, not all of them are tried."""
    emulator.default_mode = "400-key"
    path = table(shop.folder, 10)
    result = shop.run("batch", path, *HOUSES, "--concurrency", "1")
    assert result.exit_code == 1
    assert "Check GEMINI_API_KEY" in result.stderr
    assert emulator.calls == 1


def test_dry_run(shop: Shop, emulator: GeminiEmulator) -> None:
    """It checks the rows and says what they would cost; nothing is asked, nothing written."""
    path = table(shop.folder, 3)
    result = shop.run("batch", path, *HOUSES, "--dry-run")
    assert "3 pictures to make: about $0.1020." in result.stdout
    document = shop.json("batch", path, *HOUSES, "--dry-run", "--size", "2000x2000")
    assert document["estimate_usd"] == "0.150"
    assert emulator.calls == 0
    assert sorted(one.name for one in shop.folder.glob("goals*")) == ["goals.csv"]


def test_columns_are_options(shop: Shop, emulator: GeminiEmulator) -> None:
    """Columns called as an option are one, before those of the command line; others are not."""
    path = shop.folder / "goals.jsonl"
    rows: list[dict[str, Any]] = [
        {"prompt": "A", "object_key": "a.png", "size": "32x16", "metadata": {"goal": 7}},
        {"prompt": "B", "object_key": "b.webp", "size": None, "brand_colors": ["navy"]},
        {"prompt": "C", "object_key": "c.jpg", "size": [16, 32], "spender": "ann"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    result = shop.run("batch", path, "--size", "8x8", "--theme", "abstract", "--spender", "bob")
    assert result.exit_code == 0, result.stderr
    pixels = {line["object_key"]: (line["width"], line["height"]) for line in results(path)}
    assert pixels == {"a.png": (32, 16), "b.webp": (8, 8), "c.jpg": (16, 32)}
    assert shop.media.stat("a.png").metadata == {"goal": "7"}
    spenders = {job.object_key: job.spender for job in shop.media.jobs()}
    assert spenders == {"a.png": "bob", "b.webp": "bob", "c.jpg": "ann"}


def test_a_column_that_is_no_option(shop: Shop) -> None:
    """A table's own column of such a name is named, and can be ignored."""
    path = shop.folder / "shirts.csv"
    path.write_text("prompt,object_key,size\nA shirt,shirt.png,XL\n")
    result = shop.run("batch", path)
    assert "row 1 (line 2): column 'size': config.size is 'XL'" in result.stderr
    assert shop.run("batch", path, "--ignore", "size").exit_code == 0


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("id,name\n1,Ann\n", ("--prompt", "Of {nme}"), "no column 'nme', which --prompt names"),
        ("id,name\n1,Ann\n", (), "Give one, as --prompt 'House of {name}'"),
        ("id,name\n1,\n", HOUSES, "row 1 (line 2): column 'name' is empty, and --prompt needs it"),
        ("id,name\n1,A\n1,B\n", HOUSES, "row 2 (line 3): the key 'goals/1/house.png' is that of "),
        ("id,name\n../x,A\n", HOUSES, "row 1 (line 2): "),
        ("id,name\n1,A,B\n", HOUSES, "row 1 (line 2) has 3 cells, and the header has 2"),
        ("id,id\n1,2\n", HOUSES, "the column 'id' twice"),
        ("id,name\n", HOUSES, "has no rows"),
        ('id,name\n1,"A\n', HOUSES, "line 2"),
        ("id,name,theme\n1,A,gothic\n", HOUSES, "column 'theme': config.theme is 'gothic'"),
        ("id,name\n1,A\n", ("--prompt", "Of {name", "--key", "{id}.png"), "--prompt 'Of {name'"),
        ("id,name\n1,A\n", ("--prompt", "{name.upper}", "--key", "{id}.png"), "no column"),
        ("id,name\n1,A\n", ("--prompt", "{name!r}", "--key", "{id}.png"), "column alone between"),
    ],
)
def test_wrong_tables(
    shop: Shop, emulator: GeminiEmulator, text: str, options: tuple[str, ...], words: str
) -> None:
    """Each fault of a table is one line that names the row and the column, before any is paid."""
    path = shop.folder / "goals.csv"
    path.write_text(text)
    result = shop.run("batch", path, *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert emulator.calls == 0


def test_spreadsheets(shop: Shop) -> None:
    """Semicolons, a byte order mark, blank lines and a line break in a cell are understood."""
    path = shop.folder / "goals.csv"
    path.write_bytes('\ufeffid;name\r\n\r\n1;"Owner\r\n1"\r\n'.encode())
    assert shop.run("batch", path, *HOUSES).exit_code == 0
    (line,) = results(path)
    assert (line["line"], line["prompt"]) == (4, "House of Owner\n1")
    path.write_bytes("id,name\n1,Zoë\n".encode("latin-1"))
    result = shop.run("batch", path, *HOUSES)
    assert "is no UTF-8" in result.stderr


def test_the_bar(shop: Shop, emulator: GeminiEmulator) -> None:
    """On a terminal a bar shows what is done, the cost and the time left, within 80 columns."""
    path = table(shop.folder, 6)
    emulator.script("ok", "ok", "image-safety")
    code, screen = shop.on_terminal("batch", path, *HOUSES, "--concurrency", "1")
    assert code == 1
    drawn = [plain(one) for one in screen.split("\r") if "[" in one and "]" in one]
    assert any("3/6" in one and "1 failed" in one and " left" in one for one in drawn)
    assert any("$0.0672" in one for one in drawn)
    assert max(len(one.rstrip("\n")) for one in drawn) <= 79
    assert plain(screen).rstrip().splitlines()[-2:] == [
        "6 pictures: 5 made, 1 failed. Cost: $0.1681.",
        f"Results: {path}.results.jsonl",
    ]


def test_no_bar_in_a_pipe(shop: Shop) -> None:
    """In a pipe there is no bar and no colour."""
    path = table(shop.folder, 2)
    done = shop.end("batch", path, *HOUSES)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("goals.txt", "id,name\n1,A\n", "say --format csv or --format jsonl"),
        ("goals.jsonl", '{"id": 1}\n[2]\n', "row 2 (line 2) is no JSON object on one line"),
        ("goals.jsonl", '{"prompt": "A", "object_key": {}}', "'object_key' is no text or number"),
        (
            "goals.jsonl",
            '{"prompt": "A", "object_key": "a.png", "metadata": "x"}',
            "'metadata' must be an object",
        ),
        ("goals.jsonl", '{"prompt": "A", "prompt": "B"}', "row 1 (line 1) has 'prompt' twice"),
        ("goals.csv", "prompt,object_key,compression\nA,a.jpg,high\n", "column 'compression'"),
        ("goals.csv", "prompt,object_key,enhance_prompt\nA,a.jpg,perhaps\n", "'enhance_prompt'"),
        ("goals.csv", "prompt,object_key,\nA,a.jpg,1\n", "column 3 has no name"),
    ],
)
def test_wrong_files(shop: Shop, name: str, text: str, words: str) -> None:
    """A file of another kind, and values that are none, are named."""
    path = shop.folder / name
    path.write_text(text)
    result = shop.run("batch", path)
    assert (result.exit_code, words in result.stderr) == (1, True), result.stderr


def test_options_of_a_row_as_text(shop: Shop, emulator: GeminiEmulator) -> None:
    """Flags, numbers and colours of a CSV row are read as such."""
    path = shop.folder / "goals.csv"
    path.write_text(
        "prompt,object_key,compression,enhance_prompt,brand_colors\n"
        "A house,a.jpg,50,no,\n"
        'A boat,b.jpg,,yes,"navy, #0066CC"\n'
    )
    assert shop.run("batch", path, "--concurrency", "1").exit_code == 0
    first, second = (one.json["contents"][0]["parts"][0]["text"] for one in emulator.requests)
    assert first == "A house"
    assert "#0066CC" in second


def test_variants(shop: Shop, emulator: GeminiEmulator) -> None:
    """Each picture gets its variants, which the results file has; others are another order."""
    path = table(shop.folder, 2)
    line = ("batch", path, *HOUSES, "--variant", "card=32")
    assert shop.run(*line).exit_code == 0
    assert {one["variants"]["card"]["width"] for one in results(path)} == {32}
    assert all(shop.media.exists(one["variants"]["card"]["object_key"]) for one in results(path))
    assert shop.json(*line)["already"] == 2
    assert emulator.calls == 2
    assert shop.json(*line, "--variant", "icon=16")["made"] == 2


def test_variants_are_checked_first(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """Variants that nobody could make, or whose key another picture has, cost nothing."""
    path = table(make_shop().folder, 3)
    lazy = make_shop(MEDIA_VARIANTS_WHEN="lazy").run("batch", path, *HOUSES, "--variant", "a=32")
    assert "row 1 (line 2) and 2 more rows: MEDIA_VARIANTS_WHEN is 'lazy'" in lazy.stderr
    shop = make_shop()
    taken = "goals/2/house.card.webp"
    assert shop.run("generate", "A card", taken, "--variant", "icon=8").exit_code == 0
    result = shop.run("batch", path, *HOUSES, "--variant", "card=32")
    assert f"row 2 (line 3): A variant of 'goals/2/house.png' would be stored as '{taken}'" in (
        result.stderr
    )
    assert result.stderr.endswith("Nothing was paid.\n")
    assert (lazy.exit_code, result.exit_code, emulator.calls) == (1, 1, 1)
