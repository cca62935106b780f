"""The HTML page in a real browser: no complaint, plots to be seen, nothing wider than a phone, dark, and on paper."""

import pytest

from opsctl.report.as_html import render
from tests.report.hostile import BAIT, hostile
from tests.report.sample import critical, full

pytestmark = pytest.mark.needs("chromium")

SHOWN = """[...document.querySelectorAll('svg.plot')].map(s => {
  const box = s.getBoundingClientRect(), line = s.querySelector('.value').getBoundingClientRect();
  return [box.width, box.height, line.width, line.height, getComputedStyle(s.querySelector('.value')).stroke]
})"""
# The lowest contrast of text to what is behind it, by the formula of WCAG 2.
CONTRAST = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  let worst = 99;
  for (const e of document.querySelectorAll('main *:not(svg, svg *)')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    worst = Math.min(worst, (a + .05) / (b + .05));
  }
  return worst;
})()"""
FOLDED = "[...document.querySelectorAll('.seen')].filter(e => e.checkVisibility()).length"
WIDER = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from tests.report.browser import Browser

    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(full()), encoding="utf-8")
    return file


def test_no_complaint_nothing_fetched_and_plots_to_be_seen(browser, page):
    browser.open(page)
    assert browser.said == []
    assert browser.asked == [page.as_uri()]
    plots = browser.run(SHOWN)
    assert len(plots) == 2
    for width, height, line_width, line_height, _ in plots:
        assert width > 700
        assert height > 150
        assert line_width > 0.8 * width
        assert line_height > 60
    assert browser.run(CONTRAST) >= 4.5
    assert len(browser.picture(page.with_name("desktop.png"))) > 20_000


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, page):
    browser.open(page, width=360, height=740)
    assert browser.run(WIDER) <= 0
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run(WIDER) <= 0
    sizes = browser.run("[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)")
    assert min(sizes) > 9  # letters do not shrink with the plot


def test_in_the_dark(browser, page):
    browser.open(page, dark=True)
    back = browser.run("getComputedStyle(document.body).backgroundColor")
    assert sum(int(n) for n in back[4:-1].split(",")) < 120
    assert browser.run(CONTRAST) >= 4.5
    line = browser.run(SHOWN)[0][4]
    browser.open(page)
    assert browser.run(SHOWN)[0][4] != line


def test_on_paper_it_is_light_and_all_evidence_is_open(browser, page):
    browser.open(page)
    assert browser.run(FOLDED) == 0
    browser.open(page, dark=True, paper=True)
    assert browser.run(FOLDED) == 4
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run(CONTRAST) >= 4.5
    assert browser.pdf().startswith(b"%PDF")


def test_a_command_is_selected_whole(browser, page):
    browser.open(page)
    styles = "[...document.querySelectorAll('.command')].map(e => getComputedStyle(e).userSelect)"
    assert browser.run(styles) == ["all"]


def test_whatever_servers_say_nothing_runs(browser, tmp_path):
    file = tmp_path / "hostile.html"
    for report in (hostile([" ".join(BAIT)]), critical(says="<script>console.log(1)</script>", runbook="<img src=x>")):
        file.write_text(render(report), encoding="utf-8")
        browser.open(file, width=360, height=740)
        assert browser.said == []
        assert browser.asked == [file.as_uri()]
        assert browser.run("document.querySelectorAll('script, img, iframe, object, form').length") == 0
        assert browser.run(WIDER) <= 0
