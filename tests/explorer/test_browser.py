"""The page in Chromium: what people do, and what they see."""

import re
import shutil

import pytest
from explorer.scripts import CHROMIUM, run

from fastgd.explorer import explore
from fastgd.explorer.page import engine_script, page_data

sync_api = pytest.importorskip("playwright.sync_api")
if not shutil.which(CHROMIUM):
    pytest.skip(f"{CHROMIUM} is not here", allow_module_level=True)
NAMED = re.compile(r"converged at ([\d,]+)")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return explore("line").save(tmp_path_factory.mktemp("page") / "page.html").as_uri()


@pytest.fixture
def open_page(browser, address):
    """A function that opens the page on a state; at the end no script has failed and nothing was asked for."""
    opened, troubles = [], []

    def open_at(state="", width=1400, **options):
        page = browser.new_page(viewport={"width": width, "height": 1000}, **options)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text))
        page.on(
            "request",
            lambda asked: asked.url.startswith(("file:", "data:")) or troubles.append(asked.url),
        )
        opened.append(page)
        page.goto(f"{address}#{state}")
        page.wait_for_function("document.querySelector('#count').textContent !== ''")
        return page

    yield open_at
    for page in opened:
        page.close()
    assert not troubles


def badges(page):
    """What is said of each optimizer that is shown."""
    items = page.locator("#optimizers li").all()
    found = {
        item.get_attribute("data-name"): item.locator(".badge").text_content() for item in items
    }
    return {name: text for name, text in found.items() if text}


def state_of(page):
    page.wait_for_timeout(450)  # it is written now and then
    return page.evaluate("location.hash").lstrip("#")


def changed(page, before, of=badges):
    """The value once it differs from what it was."""
    for _ in range(100):
        if (now := of(page)) != before:
            return now
        page.wait_for_timeout(20)
    raise AssertionError(f"still {before}")


def picture(page, name):
    return page.evaluate(f"document.querySelector('#{name}').toDataURL()")


def at(page, name, x, y):
    """A place in a canvas, by shares of its size, on the screen."""
    page.locator(f"#{name}").scroll_into_view_if_needed()
    box = page.locator(f"#{name}").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_every_optimizer_says_how_it_ended(open_page):
    page = open_page()
    found = badges(page)
    assert list(found) == ["SGD", "Momentum", "NAG", "Adagrad", "RMSprop", "Adam"]
    wanted = run(
        f"""{engine_script(page_data())}
        const state = firstState("line"), problem = problemOf(aboutOf(state));
        return state.shown.map((name) => badgeOf(runOf(state, problem, name), Infinity).text);"""
    )
    assert list(found.values()) == wanted
    assert NAMED.search(found["SGD"])


def test_a_click_starts_the_descents_there(open_page):
    page = open_page("p=himmelblau")
    before, seen = badges(page), picture(page, "view")
    page.mouse.click(*at(page, "view", 0.7, 0.3))
    changed(page, before)
    assert picture(page, "view") != seen
    start = [float(x) for x in re.search(r"s=([-\d.]+),([-\d.]+)", state_of(page)).groups()]
    assert start[0] == pytest.approx(2.2, abs=0.4)
    assert start[1] == pytest.approx(2.3, abs=0.6)


def test_the_start_is_dragged_and_moved_by_keys(open_page):
    page = open_page("p=bumpy")
    before = badges(page)
    drag(page, at(page, "view", 0.3, 0.5), at(page, "view", 0.8, 0.5))
    changed(page, before)
    state = state_of(page)
    page.locator("#view").focus()
    page.keyboard.press("ArrowRight")
    assert float(state_of(page).split("s=")[1].split("&")[0]) > float(
        state.split("s=")[1].split("&")[0]
    )


def test_sliders_act_while_they_are_dragged(open_page):
    page = open_page("p=ravine")
    page.locator("#speed").select_option("10")
    page.locator("#play").click()
    before, seen = page.locator("#rate-value").text_content(), picture(page, "losses")
    x, y = at(page, "rate", 0.57, 0.5)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=3)
    assert changed(page, before, lambda p: p.locator("#rate-value").text_content()) != before
    assert changed(page, seen, lambda p: picture(p, "losses"))
    page.mouse.up()
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    assert "Momentum=" in state_of(page)


def test_the_momentum_of_all_is_moved_together(open_page):
    page = open_page("p=ravine")
    page.locator("#together").check()
    before = badges(page)
    page.locator("#momentum").focus()
    page.keyboard.press("Home")
    changed(page, before)
    state = state_of(page)
    for name in ("Momentum", "NAG", "Adam"):
        assert re.search(rf"\b{name}=[\d.]+,0\b", state)
    page.locator("#reset").click()
    assert changed(page, state, state_of) == "p=ravine"


def test_scrubbing_shows_an_earlier_update(open_page):
    page = open_page("p=ravine")
    seen = picture(page, "view")
    page.mouse.click(*at(page, "scrub", 0.05, 0.5))
    assert changed(page, seen, lambda p: picture(p, "view"))
    assert any(text.startswith("update ") for text in badges(page).values())
    assert re.match(r"\d+ of \d+", page.locator("#count").text_content())
    assert "k=" in state_of(page)


def test_keys_play_pause_and_step(open_page):
    page = open_page("p=ravine")
    page.locator("h1").click()
    page.keyboard.press("Home")
    count = page.locator("#count")
    sync_api.expect(count).to_have_text(re.compile("^0 of"))
    page.keyboard.press("ArrowRight")
    sync_api.expect(count).to_have_text(re.compile("^1 of"))
    page.keyboard.press("Space")
    changed(page, count.text_content(), lambda p: p.locator("#count").text_content())
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.keyboard.press("Space")
    sync_api.expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    stopped = count.text_content()
    page.wait_for_timeout(150)
    assert count.text_content() == stopped


def test_it_plays_to_the_end(open_page):
    page = open_page("p=ravine&k=0&show=SGD&n=30")
    page.locator("#speed").select_option("1000")
    page.locator("#play").click()
    sync_api.expect(page.locator("#count")).to_have_text("30 of 30")
    sync_api.expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_a_click_in_the_diagram_sets_rate_and_momentum(open_page):
    page = open_page("p=ravine&sel=Momentum")
    before = badges(page)
    page.mouse.click(*at(page, "phase", 0.65, 0.35))
    badge = changed(page, before)["Momentum"]
    page.mouse.move(5, 5)
    reading = page.locator("#phase-at").text_content()
    assert re.fullmatch(r"rate [\d.]+, momentum 0\.\d+: .+", reading)
    assert f"rate {page.locator('#rate-value').text_content()}," in reading
    assert NAMED.search(badge)[1] == NAMED.search(reading)[1]
    page.locator("#phase").focus()
    page.keyboard.press("ArrowUp")
    assert changed(page, reading, lambda p: p.locator("#phase-at").text_content())


def test_the_diagram_is_swept_anew_for_another_start(open_page):
    page = open_page("p=ravine")
    seen = picture(page, "phase")
    page.mouse.click(*at(page, "view", 0.8, 0.8))
    page.wait_for_function(
        "!document.querySelector('#phase-note').textContent.includes('sweeping')"
    )
    assert picture(page, "phase") != seen


def test_a_reload_restores_the_state(open_page):
    page = open_page("p=beale&s=-1,-1&show=SGD,Lion&sel=Lion&Lion=0.02,0.5&sched=cosine,300&k=12")
    before, state = badges(page), state_of(page)
    assert "k=12" in state
    page.reload()
    page.wait_for_function("document.querySelector('#count').textContent !== ''")
    assert (badges(page), state_of(page)) == (before, state)
    assert page.locator("#problem").input_value() == "beale"
    assert page.locator("#schedule").input_value() == "cosine"
    assert page.locator("#selected").text_content() == "Lion"


def test_an_address_that_is_typed_in_is_followed(open_page):
    page = open_page("p=ravine")
    page.evaluate("location.hash = 'p=saddle&show=SGD'")
    sync_api.expect(page.locator("#plane-title")).to_have_text("Saddle")
    assert list(badges(page)) == ["SGD"]


def test_a_preset_asks_its_question(open_page):
    page = open_page()
    before = badges(page)
    page.locator("#preset").select_option("too-large")
    sync_api.expect(page.locator("#question")).to_be_visible()
    assert page.locator("#question").text_content().endswith("?")
    assert changed(page, before) == {"SGD": "growing"}
    assert "q=too-large" in state_of(page)


def test_a_schedule_changes_the_runs(open_page):
    page = open_page("p=ravine")
    before = badges(page)
    page.locator("#schedule").select_option("step")
    now = changed(page, before)
    page.locator("#total").fill("40")
    changed(page, now)
    assert "gd.schedules.step(" in page.locator("#python").text_content()


def test_optimizers_are_shown_hidden_and_chosen(open_page):
    page = open_page()
    page.get_by_label("Show Lion").check()
    assert "Lion" in badges(page)
    page.get_by_label("Show SGD").uncheck()
    sync_api.expect(page.locator('[data-name="SGD"] .badge')).to_be_hidden()
    assert "SGD" not in badges(page)
    page.get_by_role("button", name="Adagrad").click()
    sync_api.expect(page.locator("#momentum")).to_be_disabled()
    assert page.locator("#selected").text_content() == "Adagrad"


DROP = """(text) => {
  const data = new DataTransfer();
  data.items.add(new File([text], "rows.csv", { type: "text/csv" }));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_file_is_dropped_and_fitted(open_page):
    page = open_page()
    page.evaluate(
        DROP, "size,price\n" + "\n".join(f"{50 + 7 * k},{120 + 9 * k + (k % 3)}" for k in range(20))
    )
    sync_api.expect(page.locator("#plane-title")).to_have_text("price from size")
    assert NAMED.search(badges(page)["SGD"])
    assert "np.array([50, 57" in page.locator("#python").text_content()
    state = state_of(page)
    page.reload()
    sync_api.expect(page.locator("#plane-title")).to_have_text("price from size")
    assert state_of(page) == state


def test_a_file_that_cannot_be_read_is_refused_in_words(open_page):
    page = open_page()
    page.evaluate(DROP, "a,b,c\n1,2,3\n")
    sync_api.expect(page.locator("#file-error")).to_have_text(
        "The file must have two columns, it has 3."
    )
    assert page.locator("#problem").input_value() == "line"


def test_python_is_copied(open_page):
    page = open_page("p=saddle", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    sync_api.expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_it_without_scrolling_sideways(open_page, scheme):
    page = open_page("p=rosenbrock&q=ridge", width=390, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_colours_are_switched(open_page):
    page = open_page(color_scheme="light")
    seen = picture(page, "view")
    for theme in ("light", "dark"):
        page.locator("#theme").click()
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert changed(page, seen, lambda p: picture(p, "view"))


def test_everything_has_a_name_for_those_who_listen(open_page):
    page = open_page()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas[tabindex], canvas[role]")].filter((each) =>
          !each.hidden && !(each.getAttribute("aria-label") || each.labels?.length || each.textContent.trim()
          || each.title)).map((each) => each.outerHTML)"""
    )
    assert nameless == []
    sync_api.expect(page.locator("#live")).to_contain_text("SGD converged at")


def test_a_frame_of_a_notebook_shows_it(browser):
    page = browser.new_page()
    page.set_content(explore("ravine")._repr_html_())
    frame = page.frame_locator("iframe")
    sync_api.expect(frame.locator("#plane-title")).to_have_text("Ravine")
    frame.locator("#play").click()
    sync_api.expect(frame.locator("#play")).to_have_attribute("aria-label", "Pause")
    frame.locator("#copy").click()
    sync_api.expect(frame.locator("#copy")).not_to_have_text("Copy as Python")
    page.close()
