"""Signing up, in and out."""

from __future__ import annotations

import re

from flask import Blueprint
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from flask_login import LoginManager
from flask_login import current_user
from flask_login import login_user
from flask_login import logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from .csrf import csrf_token
from .models import User
from .models import db
from .texts import one_line

MAX_NAME_LENGTH = 40
MIN_PASSWORD_LENGTH = 8

blueprint = Blueprint("accounts", __name__)
login_manager = LoginManager()


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    """Who a session belongs to."""
    return db.session.get(User, int(user_id))


@login_manager.unauthorized_handler
def ask_to_sign_in() -> Response:
    """Lead a stranger to the form, and from there to where they wanted to go."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("accounts.sign_in", next=None if wanted == "/" else wanted), code=303)


@blueprint.get("/sign-in")
def sign_in() -> str | Response:
    """The form for those who have an account."""
    return _home() if current_user.is_authenticated else render_template("accounts/sign_in.html")


@blueprint.post("/sign-in")
def enter() -> Response | tuple[str, int]:
    """Sign in."""
    name = one_line(request.form.get("name", ""))
    user = db.session.scalar(select(User).where(User.login == _login(name)))
    if user is None or not check_password_hash(
        user.password_hash, request.form.get("password", "")
    ):
        problem = "Name and password do not match. Please try again."
        return render_template("accounts/sign_in.html", name=name, problem=problem), 422
    return _let_in(user)


@blueprint.get("/register")
def register() -> str | Response:
    """The form for those who have none yet."""
    return _home() if current_user.is_authenticated else render_template("accounts/register.html")


@blueprint.post("/register")
def join() -> Response | tuple[str, int]:
    """Make an account, and sign in with it."""
    name, password = one_line(request.form.get("name", "")), request.form.get("password", "")
    problems = _problems(name, password)
    user = User(name=name, login=_login(name))
    if not problems:
        user.password_hash = generate_password_hash(password)
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:  # by who was faster too
            db.session.rollback()
            problems = {"name": "Somebody has that name already. Please take another one."}
    if problems:
        return render_template("accounts/register.html", name=name, problems=problems), 422
    return _let_in(user)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Sign out. A POST: no picture on another site can send one."""
    logout_user()
    session.clear()
    flash("You are signed out.", "info")
    return redirect(url_for("accounts.sign_in"), code=303)


def _let_in(user: User) -> Response:
    session.clear()  # nothing of who was here before goes along, the form token least of all
    session.permanent = True  # for a month, not until the browser is closed
    login_user(user)
    csrf_token()  # with the rest, so that no page need store one: see settings.py
    return _home()


def _home() -> Response:
    wanted = request.args.get("next", "")
    return redirect(wanted if _is_ours(wanted) else url_for("goals.index"), code=303)


def _is_ours(path: str) -> bool:
    """Whether it is a path of this site. ``//evil.example`` is another site's, and browsers read
    a backslash as a slash and leave out what is no text."""
    return re.fullmatch(r"/(?!/)[!-\[\]-~]*", path) is not None


def _login(name: str) -> str:
    """``Ada`` and ``ada`` are one account."""
    return name.casefold()


def _problems(name: str, password: str) -> dict[str, str]:
    problems = {}
    if not name or "\0" in name:
        problems["name"] = "Please choose a name."
    elif len(name) > MAX_NAME_LENGTH:
        problems["name"] = f"Please use at most {MAX_NAME_LENGTH} characters."
    if len(password) < MIN_PASSWORD_LENGTH:
        problems["password"] = f"Please use at least {MIN_PASSWORD_LENGTH} characters."
    return problems
