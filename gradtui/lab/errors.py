"""The lab's errors that a user can cause. Each message is one line: what was found and what would be right."""

from __future__ import annotations


class SettingError(ValueError):
    """A setting that the lab cannot take: key, what was found, what would be right."""


class ScenarioError(Exception):
    """A scenario file that cannot be used: file, key, what was found, what would be right."""


class NoSuchScenarioError(Exception):
    """No scenario of that name; the message has the nearest one."""
