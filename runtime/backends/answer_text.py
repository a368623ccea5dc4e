"""What a raw answer is cleaned of: thinking text, escape sequences, repetition loops."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TAG = re.compile(r"<(/?)think(?:ing)?>")


def strip_escapes(text: str) -> str:
    """The text without terminal escape sequences and control characters; tabs and newlines stay."""
    return _ESCAPES.sub("", text)


def split_thinking(text: str) -> tuple[str, str]:
    """Set thinking text apart, whichever of its tags arrived.

    A closing tag alone (servers drop the opening one) makes all before it thinking; an opening tag alone (the
    answer ended while thinking) all after it. Inside a code fence of the answer a tag is part of the program that was
    asked for; a closing tag with a line of its own is none.

    Returns:
        (answer, thinking).

    Example:
        >>> split_thinking("so a plus b</think>def add(a, b): ...")
        ('def add(a, b): ...', 'so a plus b')
    """
    if "think" not in text:
        return text, ""
    thoughts: list[str] = []
    rest, seen, inside = "", 0, False
    for tag in _TAG.finditer(text):
        closes = bool(tag[1])
        if inside and not closes:
            continue
        before = text[seen : tag.start()]
        if not inside and (rest + before).count("```") % 2 and not (closes and _alone(text, tag)):
            continue
        if closes:
            thoughts.append(before if inside else rest + before)
            rest = rest if inside else ""
        else:
            rest += before
        inside, seen = not closes, tag.end()
    if inside:
        thoughts.append(text[seen:])
    else:
        rest += text[seen:]
    thinking = "\n".join(t.strip() for t in thoughts if t.strip())
    return (rest.lstrip("\n") if thoughts else rest), thinking


def _alone(text: str, tag: re.Match[str]) -> bool:
    """Whether a tag is all of its line."""
    line = text[text.rfind("\n", 0, tag.start()) + 1 :].partition("\n")[0]
    return line.strip() == tag[0]


class RepetitionWatch:
    """Notices while an answer streams that it repeats itself without end.

    The tail of the text is a loop when one block of up to `longest` characters stands there `repeats` times
    in a row and covers at least `least` characters. Tables and lists of similar lines differ somewhere and
    pass; runs of blanks or of one drawing character in code need more, see `least`.

    Args:
        repeats: How often a block must follow itself.
        longest: Longest block looked for, in characters.
        least: Fewest characters that the repetition must cover.

    Example:
        >>> watch = RepetitionWatch()
        >>> any(watch.feed("again and again, ") for _ in range(100))
        True
    """

    def __init__(self, repeats: int = 6, longest: int = 400, least: int = 360) -> None:
        self.repeats, self.longest, self.least = repeats, longest, least
        self._tail = ""
        self._unseen = 0

    def feed(self, text: str) -> bool:
        """Take the next piece of the answer; True as soon as the tail is a loop."""
        window = max(self.longest * self.repeats, self.least)
        self._tail = (self._tail + text)[-window:]
        self._unseen += len(text)
        if self._unseen < 64 or len(self._tail) < self.least:
            return False
        self._unseen = 0
        return self._looping()

    def _looping(self) -> bool:
        tail = self._tail
        probe = tail[-16:]
        position = len(tail) - 16
        # Only distances at which the last 16 characters occur before can be a block's length.
        found = tail.rfind(probe, 0, len(tail) - 1)
        while found != -1 and position - found <= self.longest:
            period = position - found
            span = max(period * self.repeats, self.least)
            if span <= len(tail) and tail[-span:-period] == tail[-span + period :]:
                return True
            found = tail.rfind(probe, 0, found + 15)
        return False
