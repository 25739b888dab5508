"""What the tests of an app, or of a generator or storage of your own, can use.

The contract tests are in :mod:`flask_media.testing.storage_contract` and
:mod:`flask_media.testing.generator_contract`, which need pytest.
"""

from .fake import Fake
from .fake import Hold
from .fake import fake
from .fake import fake_everywhere
from .guard import StrayCallError
from .guard import prevent_stray
from .pictures import draw_picture
from .seen import FakeCall
from .seen import FakeUpload

__all__ = [
    "Fake",
    "FakeCall",
    "FakeUpload",
    "Hold",
    "StrayCallError",
    "draw_picture",
    "fake",
    "fake_everywhere",
    "prevent_stray",
]
