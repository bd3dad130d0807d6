"""The page in a browser, opened from its file."""

import os
import shutil

import pytest

from jaxrl import report
from tests.report import sample

pytest.importorskip("altair", reason="the page needs Altair: pip install 'jaxrl-suite[report]'")
sync_api = pytest.importorskip("playwright.sync_api", reason="browser tests need Playwright: pip install -e '.[dev]'")
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip("browser tests need Chromium: install it, or name it in CHROMIUM", allow_module_level=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = sample.write(tmp_path_factory.mktemp("results"))
    return report.write(folder)[0][0]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, file):
    """The page, freshly opened on a wide screen; at the end nothing may have gone wrong or left the file."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    opened, wrong, asked = context.new_page(), [], []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert wrong == [] and asked == [file.as_uri()]
    assert opened.evaluate("window.broken") is None
    context.close()


def drawn(page):
    """Scrolls through the page, and waits until every chart is drawn; their sizes."""
    for chart in page.query_selector_all(".chart"):
        chart.scroll_into_view_if_needed()
        chart.wait_for_selector("svg", state="attached", timeout=10_000)
    return page.eval_on_selector_all(
        ".chart svg", "all => all.map(one => [one.clientWidth, one.clientHeight, one.querySelectorAll('path').length])"
    )


def until(page, expression):
    """Waits for an expression to hold; the page's policy forbids Playwright's own way, which evaluates text in it."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {expression}")


def column(page, table, place):
    return page.eval_on_selector_all(f"#{table} tbody tr", f"all => all.map(one => one.cells[{place}].textContent)")


def test_charts_are_drawn_and_fit(page):
    sizes = drawn(page)
    assert len(sizes) == page.locator(".chart").count() >= 5
    assert all(width > 150 and height > 50 and paths > 3 for width, height, paths in sizes)
    assert max(width for width, *_ in sizes) <= 1200


def test_headers_sort_and_say_so(page):
    head = page.locator("#suite-1-board thead th").nth(3)
    assert head.get_attribute("aria-sort") == "none"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "suite-1-board", 0) == ["td3_bcoffline", "iqloffline", "bcimitation"]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "suite-1-board", 0) == ["bcimitation", "iqloffline", "td3_bcoffline"]
    assert "sorted by" in page.locator("#found").text_content()
    page.locator("#suite-1-board thead th").nth(0).locator("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, "suite-1-board", 0) == ["bcimitation", "iqloffline", "td3_bcoffline"]


def test_filters_hide_rows_columns_suites_and_lines_of_charts(page):
    drawn(page)
    lines = (
        "document.querySelectorAll('#suite-1-curves .mark-line path, #suite-1-curves .mark-line.role-mark path').length"
    )
    before = page.evaluate(lines)
    page.select_option("#filter-family", "imitation")
    shown = page.eval_on_selector_all(
        "#all-runs tbody tr:not([hidden])", "all => all.map(one => one.cells[0].textContent)"
    )
    assert shown == ["bc"] * 6
    assert page.locator("#suite-1-board tbody tr:visible").count() == 1
    assert "6 of 20 runs, 1 of 2 suites" in page.locator("#found").text_content()
    until(page, f"({lines}) < {before}")
    page.select_option("#filter-task", sample.TASKS[1])
    assert page.locator("#suite-1-board thead th:visible").count() == 4
    assert page.locator("#all-runs tbody tr:visible").count() == 3
    page.locator("#filters button[type=reset]").click()
    until(page, "document.getElementById('found').textContent === 'All 20 runs.'")
    assert page.locator("#all-runs tbody tr:visible").count() == 20
    page.select_option("#filter-suite", "second")
    assert page.locator("section.suite:visible").count() == 1


def test_runs_open_by_keyboard_and_give_the_focus_back(page):
    button = page.locator("#all-runs button.details").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    said = dialog.text_content()
    assert "td3_bc on mine/first-v0, seed 0" in said and "jaxrl train td3_bc mine/first-v0" in said
    assert "jax=0.10.2" in said and "c0ffee" in said and dialog.locator("tbody tr").count() == 2
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.className") == "details"


def test_names_from_files_stay_text_when_opened(page):
    drawn(page)
    page.locator("#all-runs button.details").last.click()
    assert sample.HOSTILE in page.locator("dialog[open] h2").text_content()
    assert page.locator("dialog img, dialog script, main script, main img").count() == 0


def test_theme_follows_the_system_and_the_switch(page):
    colour = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    chart = lambda: page.evaluate("document.querySelector('#suite-1-curves svg').style.backgroundColor")
    drawn(page)
    light = colour(), chart()
    page.locator("#theme").click()
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"
    assert colour() == "rgb(16, 20, 26)" != light[0] and light[1] == "rgb(255, 255, 255)"
    page.wait_for_selector("#suite-1-curves svg[style*='24, 30, 38']", timeout=5_000)
    page.locator("#theme").click()
    assert colour() == light[0]


def test_dark_systems_get_the_dark_page(browser, file):
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.goto(file.as_uri())
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 26)"
    assert opened.locator("#theme").get_attribute("aria-pressed") == "true"
    context.close()


def test_nothing_runs_off_a_small_screen(page):
    width = 320
    page.set_viewport_size({"width": width, "height": 640})
    drawn(page)
    page.locator("#all-runs button.details").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = page.locator("dialog[open]").evaluate("one => one.scrollWidth <= one.clientWidth")
    assert inside


def test_focus_is_seen_and_the_first_stop_skips_to_the_results(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid" and page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
