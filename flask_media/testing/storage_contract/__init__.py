"""What every storage must do, as tests to run on your own.

::

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self):
            return MyStorage(...)

Needs pytest. The storage may hold other objects: each test writes below a name of its own.
For assertions that show their values call
``pytest.register_assert_rewrite("flask_media.testing.storage_contract")`` in your ``conftest.py``.
"""

from __future__ import annotations

from .copies import CopyContract
from .objects import ObjectContract


class StorageContract(ObjectContract, CopyContract):
    """Subclass it with a fixture ``storage``; every test must pass."""
