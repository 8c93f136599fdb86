"""Where a text holds a secret: API keys, tokens, passwords in addresses, private keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import regex
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

# Detectors of detect-secrets that know the shape of a token. Detectors that guess from entropy or from a
# nearby keyword are left out: they flag ordinary words of languages without spaces. The detectors of JWT, npm
# and OpenAI tokens are left out too: their patterns need quadratic time, and SHAPES covers their tokens.
DETECTORS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "MailchimpDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector",
    "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
# Shapes that the detectors do not cover: OpenAI, Anthropic, Hugging Face, Google and npm keys, JSON web
# tokens with their signature, bearer headers, whole blocks of private keys.
SHAPES = regex.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[A-Za-z0-9_-]{35}"
    r"|github_pat_[A-Za-z0-9_]{22,}|npm_[A-Za-z0-9]{36})"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+={0,2}\.[A-Za-z0-9_-]{8,}+={0,2}(?:\.[A-Za-z0-9_-]++)?"
    r"|:_authToken=\s*+\K[A-Za-z0-9_-]{20,}"
    r"|(?i:\bbearer\s++)\K[A-Za-z0-9._~+/-]{20,}=*"
    r"|-----BEGIN [A-Z ]*+-----[\s\S]*?(?:-----END [A-Z ]*+-----|\Z)"
)
PRIVATE_KEY = "PRIVATE KEY-----"


def find_secrets(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """The places of secrets, without overlaps."""
    spans = [match.span() for match in SHAPES.finditer(text) if _is_secret(match.group())]
    spans += [match.span() for shape in _detector_shapes() for match in shape.finditer(text)]
    position = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= position:
            yield start, end
            position = end


def _is_secret(value: str) -> bool:
    """Whether a block of PEM is a key and no certificate."""
    return not value.startswith("-----BEGIN") or PRIVATE_KEY in value


@cache
def _detector_shapes() -> tuple[re.Pattern[str], ...]:
    """The shapes of the detectors. Whole matches are used, because some capture only a token's prefix."""
    detectors = get_mapping_from_secret_type_to_class().values()
    by_name = {detector.__name__: detector for detector in detectors}
    return tuple(shape for name in sorted(DETECTORS) for shape in by_name[name]().denylist)
