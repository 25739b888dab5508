"""The goals of who is signed in: the list, and a page each."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .models import Goal
from .models import db
from .pictures import SHAPES
from .pictures import THEMES
from .pictures import add_picture
from .pictures import explain
from .pictures import follow
from .pictures import order
from .texts import one_line

MAX_NAME_LENGTH = 120
MAX_SCENE_LENGTH = 500
MAX_DOLLARS = 100_000_000

blueprint = Blueprint("goals", __name__)


@blueprint.before_request
@login_required
def members_only() -> None:
    """Let nobody in who is not signed in."""


@blueprint.get("/")
def index() -> str:
    """All goals, the newest first."""
    query = (
        select(Goal)
        .where(Goal.user_id == current_user.id)
        .options(selectinload(Goal.pictures))
        .order_by(Goal.id.desc())
        .limit(100)
    )
    goals = db.session.scalars(query).all()
    if not goals:
        return new()
    follow(goal.newest for goal in goals)
    return render_template("goals/index.html", goals=goals)


@blueprint.get("/goals/new")
def new() -> str:
    """The form for one more."""
    return render_template("goals/new.html", themes=THEMES)


@blueprint.post("/goals")
def add() -> Response | tuple[str, int]:
    """Add a goal and have its picture drawn."""
    form = {name: one_line(request.form.get(name, "")) for name in ("name", "target", "theme")}
    target = _dollars(form["target"])
    problems = _problems_of(form["name"], "name", MAX_NAME_LENGTH)
    if not target:
        problems["target"] = "Please say in whole dollars what it costs."
    if problems or not target:
        return render_template("goals/new.html", themes=THEMES, form=form, problems=problems), 422
    goal = Goal(user_id=current_user.id, name=form["name"], target=target)
    db.session.add(goal)
    theme = _choice("theme", THEMES)
    add_picture(goal, scene=goal.name, theme=theme, shape="landscape")
    return _to(goal)


@blueprint.get("/goals/<int:goal_id>")
def show(goal_id: int) -> str:
    """One goal, its picture, and the versions that it had before."""
    return _show(_find(goal_id))


@blueprint.post("/goals/<int:goal_id>/saved")
def save(goal_id: int) -> Response | tuple[str, int]:
    """Put money aside, or take some back with a minus."""
    goal = _find(goal_id)
    amount = one_line(request.form.get("amount", ""))
    dollars = _dollars(amount.removeprefix("-"))
    if not dollars:
        problem = "Please give an amount in whole dollars, as 250."
        return _show(goal, amount=amount, problems={"amount": problem}), 422
    change = -dollars if amount.startswith("-") else dollars
    goal.saved = min(max(goal.saved + change, 0), MAX_DOLLARS)
    db.session.commit()
    return _to(goal)


@blueprint.post("/goals/<int:goal_id>/pictures")
def refine(goal_id: int) -> Response | tuple[str, int]:
    """Have another picture drawn. The one that is there stays until that is."""
    goal = _find(goal_id)
    scene = one_line(request.form.get("scene", ""))
    wish = {
        "scene": scene,
        "theme": _choice("theme", THEMES),
        "shape": _choice("shape", list(SHAPES)),
    }
    if problems := _problems_of(scene, "scene", MAX_SCENE_LENGTH):
        return _show(goal, wish=wish, problems=problems), 422
    follow(goal.pictures)
    if goal.newest.state == "drawing":
        flash("One picture at a time: the next one can be ordered when this one is there.", "info")
    else:
        add_picture(goal, **wish)
    return _to(goal)


@blueprint.post("/goals/<int:goal_id>/retry")
def retry(goal_id: int) -> Response:
    """Order the newest picture again, if it failed."""
    goal = _find(goal_id)
    follow(goal.pictures)
    if goal.newest.state == "failed":
        order(goal.newest)
    return _to(goal)


@blueprint.post("/goals/<int:goal_id>/delete")
def delete(goal_id: int) -> Response:
    """Delete a goal with all its pictures."""
    goal = _find(goal_id)
    name = goal.name
    db.session.delete(goal)
    db.session.commit()
    flash(f"“{name}” is deleted, with its pictures.", "info")
    return redirect(url_for("goals.index"), code=303)


@blueprint.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> tuple[str, int]:
    """A page in the place of the bare text of an HTTP error."""
    return render_template("error.html", error=error), error.code or 500


def _show(goal: Goal, **values: Any) -> str:
    follow(goal.pictures)
    values.setdefault("wish", goal.newest)
    return render_template(
        "goals/show.html",
        goal=goal,
        problem=explain(goal.newest),
        themes=THEMES,
        shapes=list(SHAPES),
        **values,
    )


def _to(goal: Goal) -> Response:
    return redirect(url_for("goals.show", goal_id=goal.id), code=303)


def _find(goal_id: int) -> Goal:
    """Their goal of that id; another's is as if it weren't there."""
    # A database's integers have 32 bits; a larger one in the URL is an id of no goal.
    goal = db.session.get(Goal, goal_id) if goal_id < 2**31 else None
    if goal is None or goal.user_id != current_user.id:
        abort(404, "There is no such goal.")
    return goal


def _choice(name: str, allowed: list[str]) -> str:
    value = request.form.get(name, allowed[0])
    if value not in allowed:
        abort(400, f"{name} must be one of {', '.join(allowed)}.")
    return value


def _dollars(text: str) -> int | None:
    """The whole dollars that somebody wrote as ``$80,000``; None if that is no amount."""
    digits = re.sub(r"[$,\s]", "", text)
    if not re.fullmatch(r"[0-9]{1,9}", digits) or int(digits) > MAX_DOLLARS:
        return None
    return int(digits)


def _problems_of(text: str, name: str, most: int) -> dict[str, str]:
    if not text or "\0" in text:
        return {name: "Please say it in a few words."}
    if len(text) > most:
        return {name: f"Please use at most {most} characters."}
    return {}
