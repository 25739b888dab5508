"""Fixtures that more than one folder of tests uses."""

import pytest

from .servers import moto
from .servers import postgres
from .servers import rabbitmq
from .servers import rclone
from .servers import seaweedfs
from .servers import valkey

__all__ = ["moto", "postgres", "rabbitmq", "rclone", "seaweedfs", "valkey"]

pytest.register_assert_rewrite("flask_media.testing.storage_contract")
