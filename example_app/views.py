"""The pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import abort
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_media import MediaError
from flask_media import current_media

from .csrf import check_csrf_token
from .models import UserGoal
from .models import db
from .pictures import draw_goal
from .pictures import explain

MAX_NAME_LENGTH = 120

blueprint = Blueprint("goals", __name__)
blueprint.before_request(check_csrf_token)


@blueprint.context_processor
def setup() -> dict[str, Any]:
    """What the pages say about where pictures come from."""
    return {
        "is_placeholder": current_media.config.generator == "placeholder",
        "keeps_files": current_media.config.storage_name == "filesystem",
        "folder": current_app.config["MEDIA_FOLDER"],
        "max_name_length": MAX_NAME_LENGTH,
    }


@blueprint.get("/")
def index() -> str:
    """All goals, the newest first, and a form for one more."""
    return _index()


@blueprint.post("/goals")
def add() -> Response | tuple[str, int]:
    """Add a goal and draw its picture."""
    name = _clean(request.form.get("name", ""))
    if problem := _problem(name):
        return _index(name=name, problem=problem), 422
    goal = UserGoal(name=name)
    db.session.add(goal)
    db.session.commit()
    return _draw(goal)


@blueprint.get("/goals/<int:goal_id>")
def show(goal_id: int) -> str:
    """One goal and its picture."""
    return render_template("goal.html", goal=_find(goal_id))


@blueprint.post("/goals/<int:goal_id>")
def retry(goal_id: int) -> Response | tuple[str, int]:
    """Draw the picture of a goal that has none yet, by another name if one is given."""
    goal = _find(goal_id)
    name = _clean(request.form.get("name", goal.name))
    if problem := _problem(name):
        return render_template("goal.html", goal=goal, name=name, problem=problem), 422
    if goal.image_generation_status == "completed":
        return _to(goal)
    goal.name = name
    return _draw(goal)


@blueprint.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> tuple[str, int]:
    """A page in the place of the bare text of an HTTP error."""
    return render_template("error.html", error=error), error.code or 500


def _draw(goal: UserGoal) -> Response:
    # The browser waits here until the picture is stored: some seconds with a real model.
    goal_id = goal.id
    try:
        draw_goal(goal)
    except MediaError as error:
        current_app.logger.warning("Goal %d has no picture: %s", goal_id, error)
        flash(explain(error))
    return _to(goal)


def _to(goal: UserGoal) -> Response:
    return redirect(url_for("goals.show", goal_id=goal.id), code=303)


def _index(**form: str) -> str:
    goals = db.session.scalars(select(UserGoal).order_by(UserGoal.id.desc()).limit(100)).all()
    return render_template("index.html", goals=goals, **form)


def _find(goal_id: int) -> UserGoal:
    # SQLite's integers have 64 bits; a larger one in the URL is an id of no goal.
    goal = db.session.get(UserGoal, goal_id) if goal_id < 2**63 else None
    if goal is None:
        abort(404, "There is no such goal.")
    return goal


def _clean(name: str) -> str:
    """One line: what is pasted may hold tabs and line ends, which belong into no name."""
    return " ".join(name.split())


def _problem(name: str) -> str | None:
    if not name:
        return "Please give your goal a name."
    if len(name) > MAX_NAME_LENGTH:
        return f"Please use at most {MAX_NAME_LENGTH} characters."
    return None
