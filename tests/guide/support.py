"""The guide's ``finance_ai``, as far as its code imports from it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from flask import Flask

from .finance_app import GOALS
from .finance_app import STATUSES
from .finance_app import Goal
from .finance_app import Oak_Config
from .finance_app import UserGoal
from .finance_app import db


def install_finance_ai(patch: pytest.MonkeyPatch, create_app: Callable[[], Flask]) -> Goal:
    """Let the package be imported; gives the one goal of its database."""
    modules: dict[str, dict[str, object]] = {
        "finance_ai": {},
        "finance_ai.app": {"create_app": create_app},
        "finance_ai.config": {"Config": Oak_Config},
        "finance_ai.models": {},
        "finance_ai.models.narrative": {"UserGoal": UserGoal},
        "finance_ai.utils": {},
        "finance_ai.utils.sqlalchemy": {"db": db},
    }
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        patch.setitem(sys.modules, name, module)
    STATUSES.clear()
    GOALS.clear()
    GOALS[1] = Goal(id=1, name="Sea House", user_id=7, image_url=None, image_prompt=None)
    GOALS[1].image_generation_status = "pending"
    return GOALS[1]
