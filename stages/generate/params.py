"""Params of `generate`."""

from __future__ import annotations

from typing import ClassVar

from promptstill.core.settings import StageParams
from promptstill.teacher.settings import TeacherSettings


class GenerateParams(TeacherSettings, StageParams):
    """Which teacher is asked, how, how often, and for how much."""

    stage: ClassVar[str] = "generate"
