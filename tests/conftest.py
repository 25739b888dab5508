"""Fixtures that more than one folder of tests uses."""

import pytest

from .servers import moto
from .servers import rclone
from .servers import seaweedfs

__all__ = ["moto", "rclone", "seaweedfs"]

pytest.register_assert_rewrite("flask_media.testing.storage_contract")
