"""What the journal, the storage and the receivers say of a trial, and whether that may be."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa

from .campaign_trials import MAX_ATTEMPTS
from .campaign_trials import Trial
from .child import sha256

if TYPE_CHECKING:
    from .campaign_lane import Lane

ROW = """
SELECT j.id, j.state, j.paid_calls, p.data,
    (SELECT count(*) FROM media_references r WHERE r.job_id = j.id) AS kept_references
FROM media_jobs j LEFT JOIN media_pictures p ON p.job_id = j.id WHERE j.spec LIKE :prompt
"""

LEDGER = "SELECT spender, SUM(nano) FROM media_spend GROUP BY spender"

SPENT = """
SELECT spender, SUM(COALESCE(cost_nano, 0) + risk_nano + reserved_nano)
FROM media_jobs GROUP BY spender
"""


def find_row(lane: Lane, trial: Trial) -> Any:
    """The trial's job, None if there is none."""
    with lane.engine.connect() as connection:
        if not sa.inspect(connection).has_table("media_jobs"):
            return None
        values = {"prompt": f'%"original_prompt":"{trial.prompt}"%'}
        rows = connection.execute(sa.text(ROW), values).all()
    if len(rows) > 1:
        trial.faults.append(f"{len(rows)} jobs")
    return rows[0] if rows else None


def look(lane: Lane, trial: Trial) -> None:
    """See what a kill left."""
    row = find_row(lane, trial)
    if row is None:
        return
    trial.had_row = True
    trial.cut_off += row.state == "generating"
    if trial.kind.answer == "picture":
        trial.was_safe |= row.state in ("generated", "uploaded", "done")
    if row.state == "generated":
        if row.data is None:
            trial.faults.append("lost")
            return
        trial.committed = sha256(row.data)
        if trial.committed != trial.sent[-1]:
            trial.faults.append("other bytes are committed than were sent")


def check(lane: Lane, trial: Trial) -> None:
    """Find the faults of a trial that has been recovered."""
    row = find_row(lane, trial)
    if row is None:
        if trial.had_row or trial.sent:
            trial.faults.append("lost")
    else:
        _check_state(lane, trial, row)
        _check_references(trial, row)
        check_signals(trial, row, lane.heard.read_text())
    if len(trial.sent) > trial.allowed_calls:
        trial.faults.append("unauthorised")
    if lane.has_budget:
        check_ledger(lane, trial)
    if trial.faults:
        state = row.state if row is not None else "no row"
        lane.campaign.faults.append(f"{lane.instance.name}: {state}: {trial}")


def _check_state(lane: Lane, trial: Trial, row: Any) -> None:
    kind = trial.kind
    match row.state:
        case "done" if kind.answer != "picture":
            trial.faults.append("done without a picture")
        case "done" if kind.is_stored:
            _check_stored(lane, trial, row)
        case "done":
            _check_returned(trial, row)
        case "generated" if not kind.is_stored:
            _check_kept(trial, row)
        case _ if trial.was_safe:
            trial.faults.append("lost")
        case "failed" if kind.answer == "no picture" or not kind.is_stored:
            pass  # whether it was told is for check_signals
        case "quarantined" if kind.answer == "broken picture":
            _check_bytes(trial, row)
        case "unknown" if kind.is_stored:
            _check_unknown(trial, row)
        case _:
            trial.faults.append("silent")


def _check_unknown(trial: Trial, row: Any) -> None:
    """Who asked or resumed was told, once no more calls are authorised."""
    if not any(
        outcome.get("error") == "OutcomeUnknown" and outcome["job_id"] == row.id
        for outcome in trial.reported
    ):
        trial.faults.append("silent")
    if trial.mode == "retry" and row.paid_calls < MAX_ATTEMPTS:
        trial.faults.append("not asked again though that is authorised")


def _check_bytes(trial: Trial, row: Any) -> None:
    """What was sent is in the journal."""
    if row.data is None or sha256(row.data) != trial.sent[-1]:
        trial.faults.append("lost")


def _check_stored(lane: Lane, trial: Trial, row: Any) -> None:
    file = lane.instance / "media" / trial.object_key
    stored = sha256(file.read_bytes()) if file.exists() else None
    if stored is None or stored != trial.sent[-1] or stored != (trial.committed or stored):
        trial.faults.append("lost")
    if row.data is not None:
        trial.faults.append("the bytes of a stored picture are still in the journal")


def _check_returned(trial: Trial, row: Any) -> None:
    """Nobody but ``resume`` may hand out what a killed ``generate()`` left.

    One that was killed after its last commit leaves nothing: its caller died on getting it.
    """
    if trial.committed and not _was_handed_out(trial, trial.committed):
        trial.faults.append("lost")
    if row.data is not None:
        trial.faults.append("the bytes of a returned picture are still in the journal")


def _check_kept(trial: Trial, row: Any) -> None:
    """What a killed ``generate()`` was sent stays in the journal, and ``resume_all`` says so."""
    _check_bytes(trial, row)
    if not _was_handed_out(trial, trial.sent[-1]):
        trial.faults.append("silent")


def _was_handed_out(trial: Trial, digest: str) -> bool:
    return any(outcome.get("sha256") == digest for outcome in trial.reported)


def _check_references(trial: Trial, row: Any) -> None:
    """Each call has the same references, which are kept for as long as they may be needed."""
    if any(sent != trial.references[0] for sent in trial.references) or any(
        len(sent) != trial.kind.references for sent in trial.references
    ):
        trial.faults.append("other references were sent")
    if row.state in ("requested", "generating", "unknown", "generated"):
        if row.kept_references != trial.kind.references:
            trial.faults.append("references are lost")
    elif row.state == "done" and row.kept_references:
        trial.faults.append("references of a finished picture are still in the journal")


def check_signals(trial: Trial, row: Any, heard: str) -> None:
    """Some process's receiver has heard how a job ended: each signal comes at least once.

    :param heard: what the receivers of all processes have written.
    """
    if row.state in ("failed", "quarantined"):
        signal = "generation_failed"
    elif row.state == "done":
        signal = "upload_finished" if trial.kind.is_stored else "generation_finished"
    else:
        return
    if signal == "upload_finished" and not trial.kind.has_receivers:
        return
    if f"{row.id} {signal}\n" not in heard:
        trial.faults += ["silent", f"nobody heard of {signal}"]


def check_ledger(lane: Lane, trial: Trial) -> None:
    """The running totals are what the jobs come to, whatever was killed between.

    Summed over the days: a job that is asked for again after midnight moves to the new day.
    """
    with lane.engine.connect() as connection:
        ledger = {name: int(nano) for name, nano in connection.execute(sa.text(LEDGER)).all()}
        spent: collections.Counter[str] = collections.Counter()
        for name, nano in connection.execute(sa.text(SPENT)).all():
            spent[""] += int(nano)
            if name:
                spent[name] += int(nano)
    if ledger != dict(spent):
        trial.faults.append(f"the ledger has {ledger}, the jobs come to {dict(spent)}")
