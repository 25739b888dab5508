"""All pictures of who is signed in."""

from __future__ import annotations

from flask import Blueprint
from flask import render_template
from flask import request
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from .models import Goal
from .models import Picture
from .models import db

PAGE = 24

blueprint = Blueprint("gallery", __name__)


@blueprint.get("/gallery")
@login_required
def show() -> str:
    """Pictures that are there, the newest first, and where older ones are."""
    stored = (
        select(Picture)
        .join(Goal)
        .where(Goal.user_id == current_user.id, Picture.image_generation_status == "completed")
        .options(joinedload(Picture.goal))
        .order_by(Picture.id.desc())
    )
    before = request.args.get("before", type=int)
    if before is not None:
        stored = stored.where(Picture.id < min(before, 2**31 - 1))
    pictures = db.session.scalars(stored.limit(PAGE + 1)).all()
    shown = pictures[:PAGE]
    return render_template(
        "gallery.html", pictures=shown, older=shown[-1].id if len(pictures) > PAGE else None
    )
