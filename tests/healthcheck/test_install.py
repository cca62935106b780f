"""What is printed for cron, systemd and Kubernetes. No server."""

from __future__ import annotations

import pytest
import yaml

from opsctl.errors import UsageError
from opsctl.healthcheck.install import Timed, cron, fields, kubernetes, systemd

TIMED = Timed(("/opt/o p/opsctl", "--context", "prod"), ("--all", "--quiet"), 4 * 3600, 20.0, 30.0, {})


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (1800, "*/30 * * * *"),
        (3600, "0 * * * *"),
        (14400, "0 */4 * * *"),
        (86400, "0 0 * * *"),
    ],
)
def test_the_fields_of_cron(every, expected):
    assert fields(every) == expected


@pytest.mark.parametrize("every", [7 * 60, 90 * 60, 5 * 3600, 2 * 86400, 30])
def test_what_cron_cannot_keep_evenly_is_refused(every):
    with pytest.raises(UsageError, match="evenly"):
        fields(every)


def test_a_crontab_line_escapes_what_is_cron_s_own():
    line = cron(TIMED._replace(flags=("--url", "http://h/%41?a=1&b=2"))).splitlines()[-1]
    assert line == (
        "0 */4 * * * '/opt/o p/opsctl' --context prod healthcheck --url 'http://h/\\%41?a=1&b=2' --jitter 30s"
    )


def test_a_unit_escapes_what_is_systemd_s_own():
    text = systemd(TIMED._replace(flags=("--url", "http://h/%41?a=$x", "--textfile", "/var/lib/node/o.prom")))
    assert 'ExecStart="/opt/o p/opsctl" --context prod healthcheck --url "http://h/%%41?a=$$x" --textfile' in text
    assert "ReadWritePaths=/var/lib/node\n" in text
    assert "OnCalendar=*-*-* 00/4:00:00\nRandomizedDelaySec=30\n" in text
    assert 'Environment="XDG_STATE_HOME=%S"\nStateDirectory=opsctl' in text


@pytest.mark.parametrize("word", ["a: b", "#x", "yes", "é", "'", '"', "{x}", "- y"])
def test_a_cronjob_reads_back_as_it_was_meant(word):
    made = yaml.safe_load(kubernetes(TIMED._replace(flags=("--url", word)), image="r/o:1", namespace="ops"))
    [container] = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["opsctl", "--context", "prod", "healthcheck", "--url", word]
    assert made["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 80
