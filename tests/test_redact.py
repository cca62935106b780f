"""No secret survives into evidence."""

import pytest

from opsctl.redact import printable, redact

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://app:{SECRET}@db:5432/danci",
        f"redis://:{SECRET}@localhost:6379/0",
        f"connection failed: host=db password={SECRET} user=app",
        f"PGPASSWORD={SECRET} psql",
        f"Authorization: Bearer {SECRET}",
        f"authorization=Basic {SECRET}",
        f"X-API-Key: {SECRET}",
        f"X-Admin-API-Key: {SECRET}",
        f'{{"api_key": "{SECRET}", "id": 1}}',
        f"https://h/path?token={SECRET}&x=1",
        f"OPENROUTER_API_KEY={SECRET}",
        "key sk-hunter2secretabcdef used",
        "key em_live_hunter2secret used",
        "-----BEGIN PRIVATE KEY-----\nhunter2secret\n-----END PRIVATE KEY-----",
    ],
)
def test_secrets_are_removed(text):
    cleaned = redact(text)
    assert SECRET not in cleaned
    assert "[redacted]" in cleaned
    assert redact(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "p99 142 ms, objective 50 ms",
        "http://127.0.0.1:9090/api/v1/query",
        'sum(rate(http_errors_total{status="500"}[5m]))',
        "tokens/min 5200, limit 5000",
        "postgres danci@127.0.0.1:5432",
        "idle in transaction since 12:00:03",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


def test_terminal_escapes_and_bidi_overrides_are_removed():
    assert printable("a\x1b[31mred\x1b[0m\x07b\u202ec\x1b]0;title\x07d\ne\tf") == "aredbcd\ne\tf"
