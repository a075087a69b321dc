"""The page in a real browser: what a person draws, drops or moves is answered, at once, and stays on the
machine.

Needs the packages in requirements-app.txt, Chromium and its driver (Debian: chromium, chromium-driver).
"""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import CHROMIUM, FLAGS
from conftest import ROOT
from PIL import Image
from test_predict import DIGITS, bomb, encode

from stages.predict import MAX_BYTES
from stages.shared.perturbations import KINDS, perturb

NOT_INSTALLED = "the packages in requirements-app.txt are not installed"
pytest.importorskip("gradio", reason=NOT_INSTALLED)
webdriver = pytest.importorskip("selenium.webdriver", reason=NOT_INSTALLED)
wait = pytest.importorskip("selenium.webdriver.support.wait", reason=NOT_INSTALLED)
app = pytest.importorskip("app")

DRIVER = shutil.which("chromedriver")
in_a_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium or no chromedriver here")

SEVEN = DIGITS[7]


# What the sliders do


@pytest.mark.parametrize("canvas", [28, 56, 75.5])
def test_a_place_chosen_is_the_same_as_a_place_drawn(canvas):
    for seed in range(5):
        altered, drawn = perturb(DIGITS[:1], "reposition", np.random.default_rng(seed), canvas=canvas)
        room = max(canvas - 28, 1)
        placed = app.alter(DIGITS[0], canvas, drawn["left"][0] / room, drawn["top"][0] / room, app.NONE)
        np.testing.assert_array_equal(placed, altered[0])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "reposition"])
def test_each_strength_of_each_kind_has_its_range_and_default(kind):
    strengths = app.strengths_of(kind)
    assert strengths
    assert all(low <= default <= high for low, high, default in strengths.values())
    defaults = {name: default for name, (_, _, default) in strengths.items()}
    altered = app.alter(SEVEN, 28, 0.5, 0.5, kind, **defaults)
    expected, _ = perturb(SEVEN[None], kind, np.random.default_rng(app.SEED))
    np.testing.assert_array_equal(altered, expected[0])


# The page

# Runs the app, and reports each connection to another machine that any of its packages tries.
REPORTER = """
import runpy, sys

def report(event, arguments):
    target = {"socket.connect": arguments[1:2], "socket.getaddrinfo": [arguments]}.get(event, [None])[0]
    if isinstance(target, tuple) and target[0] not in (None, "127.0.0.1", "localhost", "::1"):
        print("ELSEWHERE:", event, target, file=sys.stderr, flush=True)

sys.addaudithook(report)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of the app, serving the baseline network, which has tried to reach nothing else."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    shutil.copy(ROOT / "benchmarks/baseline.keras", folder / "models/model.keras")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    log = folder / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", REPORTER, ROOT / "app.py", f"--port={port}"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(folder / "pictures")},
            stdout=file,
            stderr=file,
        )
    address = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + 180
    while address not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(30)
    assert log.read_text() == f"Open {address} in a browser. Ctrl+C ends it.\n"
    assert not list(folder.glob("pictures/**/*.*"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("browser")
    for flag in [*FLAGS, "--window-size=1280,1000", f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


class Page:
    def __init__(self, browser):
        self.browser = browser

    def find(self, css):
        return self.until(lambda: self.browser.find_element("css selector", css))

    def until(self, condition):
        """Wait until the condition is true, and return it."""
        return wait.WebDriverWait(self.browser, 60, 0.05, [Exception]).until(lambda _: condition())

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    @property
    def text(self):
        return self.script("return document.body.innerText")

    @property
    def heading(self):
        return self.script("return document.querySelector('#answer h2').innerText")

    @property
    def percent(self):
        bars = self.script("return [...document.querySelectorAll('#answer span')].map(bar => bar.innerText)")
        return [float(bar.removesuffix(" %")) for bar in bars]

    @property
    def image(self):
        """What the network got, as the page shows it."""
        source = self.script("return document.querySelector('#answer img').src")
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
            return np.array(image)

    def shows(self, image):
        return self.until(lambda: np.array_equal(self.image, image))

    def draw(self, *points):
        """Press the mouse at the first point, from (0, 0) to (1, 1), move it to the others, release it."""
        pad = self.find("#pad canvas")
        offsets = [
            (round((x - 0.5) * pad.size["width"]), round((y - 0.5) * pad.size["height"])) for x, y in points
        ]
        mouse = webdriver.ActionChains(self.browser, duration=20)
        mouse.move_to_element_with_offset(pad, *offsets[0]).click_and_hold()
        for offset in offsets[1:]:
            mouse.move_to_element_with_offset(pad, *offset)
        mouse.release().perform()

    def open(self, path, content):
        path.write_bytes(content)
        self.find("#pad input").send_keys(str(path))

    def set(self, slider, value):
        field = self.find(f"input[aria-label='number input for {slider}']")
        field.send_keys(webdriver.Keys.CONTROL, "a")
        field.send_keys(str(value), webdriver.Keys.TAB)

    def choose(self, kind):
        field = self.find("input[aria-label='perturbation']")
        field.click()
        field.send_keys(webdriver.Keys.CONTROL, "a")
        field.send_keys(kind, webdriver.Keys.ENTER)


@pytest.fixture
def page(browser, server):
    """The page as it opens. When the test is done, it has asked nothing of others and has no errors."""
    browser.get("about:blank")
    browser.get_log("browser")  # the last test's page complains that it was left in the middle of a request
    browser.get(server)
    page = Page(browser)
    page.find("#answer img")
    yield page
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        urlsplit(event["params"]["request"]["url"]).netloc
        for event in events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["request"]["url"].startswith(("http", "ws"))
    }
    assert asked == {urlsplit(server).netloc}


@in_a_browser
def test_it_opens_with_an_empty_pad_and_no_answer(page):
    assert page.heading == "Draw a digit"
    assert page.percent == [0] * 10
    assert not page.image.any()


@in_a_browser
def test_a_stroke_of_the_mouse_is_read(page):
    page.draw((0.5, 0.2), (0.48, 0.8))
    page.until(lambda: page.heading == "This is a 1")
    assert np.argmax(page.percent) == 1
    assert sum(page.percent) == pytest.approx(100, abs=1)
    assert page.image.max() == 255


@in_a_browser
def test_a_stroke_of_a_finger_is_read(page):
    pad = page.find("#pad canvas").rect
    for event, x, y in [("Start", 0.2, 0.2), ("Move", 0.7, 0.2), ("Move", 0.4, 0.85), ("End", None, None)]:
        points = [] if x is None else [{"x": pad["x"] + x * pad["width"], "y": pad["y"] + y * pad["height"]}]
        page.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": f"touch{event}", "touchPoints": points}
        )
    page.until(lambda: page.heading == "This is a 7")


@in_a_browser
def test_clear_takes_drawing_and_answer_away(page):
    page.draw((0.5, 0.2), (0.48, 0.8))
    page.until(lambda: page.heading == "This is a 1")
    page.find("#pad button").click()
    page.until(lambda: page.heading == "Draw a digit")
    page.draw((0.2, 0.2), (0.7, 0.2), (0.4, 0.85))
    page.until(lambda: page.heading == "This is a 7")


@in_a_browser
def test_each_digit_of_mnist_is_opened_unchanged_and_gets_its_label(page, tmp_path):
    for label, digit in enumerate(DIGITS):
        page.open(tmp_path / f"{label}.png", encode(digit))
        page.shows(digit)
        assert page.heading == f"This is a {label}"


@in_a_browser
def test_a_picture_can_be_dropped(page):
    page.script(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), character => character.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "7.png"));
        document.querySelector("#pad canvas").dispatchEvent(new DragEvent("drop", {dataTransfer}));
        """,
        base64.b64encode(encode(SEVEN)).decode(),
    )
    page.shows(SEVEN)


@in_a_browser
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"seven", "expected an image"),
        (bomb(100_000, 100_000), "expected at most 50,000,000 pixels"),
        (bytes(MAX_BYTES + 2), "expected at most 16,777,216 bytes"),
        (encode(np.full((50, 50), 255)), "found a blank picture"),
    ],
    ids=["text", "bomb", "too large", "blank"],
)
def test_what_cannot_be_used_is_refused_with_the_reason(page, tmp_path, content, reason):
    page.open(tmp_path / "7.png", content)
    page.until(lambda: "This picture cannot be used" in page.text)
    assert reason in page.text
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.shows(SEVEN)


@in_a_browser
def test_the_sliders_place_the_digit_on_a_larger_canvas(page, tmp_path):
    def shrunk(top, left):
        canvas = np.zeros((56, 56))
        canvas[top : top + 28, left : left + 28] = SEVEN
        return np.floor(canvas.reshape(28, 2, 28, 2).mean(axis=(1, 3)) + 0.5)

    page.open(tmp_path / "7.png", encode(SEVEN))
    page.set("canvas", 56)
    page.shows(shrunk(14, 14))
    page.set("across", 1)
    page.shows(shrunk(14, 28))
    page.set("down", 0)
    page.shows(shrunk(0, 28))


@in_a_browser
def test_a_perturbation_is_altered_by_its_own_sliders_and_never_jumps(page, tmp_path):
    def perturbed(kind, **strengths):
        return perturb(SEVEN[None], kind, np.random.default_rng(app.SEED), **strengths)[0][0]

    page.open(tmp_path / "7.png", encode(SEVEN))
    page.choose("shot_noise")
    page.shows(perturbed("shot_noise"))
    page.set("photons", 500)
    page.shows(perturbed("shot_noise", photons=500))
    page.choose("glass_blur")
    page.shows(perturbed("glass_blur"))
    page.set("displacement", 3)
    page.shows(perturbed("glass_blur", displacement=3))
    page.choose("none")
    page.shows(SEVEN)
    page.until(lambda: "displacement" not in page.text)


@in_a_browser
def test_an_answer_takes_less_than_a_tenth_of_a_second(page):
    page.script(
        """
        window.latencies = [];
        let pressed = null;
        document.addEventListener("pointerdown", () => pressed = performance.now(), true);
        new MutationObserver(() => {
            if (pressed !== null) latencies.push(performance.now() - pressed);
            pressed = null;
        }).observe(document.querySelector("#answer"), {subtree: true, childList: true, attributes: true});
        """
    )
    for step in range(10):
        page.draw((0.1 + step / 12, 0.9 - step / 12))
        page.until(lambda step=step: len(page.script("return latencies")) > step)
        time.sleep(0.5)  # until the answer to the mouse's release is there as well
    # The fastest, because other programs may keep the machine busy.
    assert min(page.script("return latencies")) < 100
