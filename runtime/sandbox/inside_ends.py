"""What ends the judging of a candidate early. A test's `except Exception` lets all of it through."""

from __future__ import annotations


class Gone(BaseException):
    """The candidate is gone, or broke the protocol."""


class Astray(BaseException):
    """The tests made another call than the one that was asked for ahead of its turn; nothing is known then."""


class CannotTravel(BaseException):
    """A value that cannot travel; `by_test` where the tests send it, not the candidate."""

    def __init__(self, message: str, by_test: bool) -> None:
        super().__init__(message)
        self.by_test = by_test
