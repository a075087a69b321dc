"""The page in a real browser: what a person draws, drops or moves is answered, at once, and stays on the
machine.

Needs the packages in requirements-app.txt, Chromium and its driver (Debian: chromium, chromium-driver).
"""

import base64
import importlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import CHROMIUM, FLAGS
from conftest import ROOT
from pictures import DIGITS, bomb, encode
from PIL import Image

from robustness.perturbations import perturb
from robustness.pictures import MAX_BYTES

webdriver = pytest.importorskip("selenium.webdriver", reason="requirements-app.txt is not installed")
wait = pytest.importorskip("selenium.webdriver.support.wait")
pytestmark = pytest.mark.slow

DRIVER = shutil.which("chromedriver")

SEVEN = DIGITS[7]


@pytest.fixture(scope="module")
def app():
    # Not at the top: Gradio and TensorFlow take seconds, also where these tests are not selected.
    pytest.importorskip("gradio", reason="requirements-app.txt is not installed")
    return importlib.import_module("app")


@pytest.mark.parametrize("canvas", [28, 56, 75.5])
def test_a_place_chosen_is_the_same_as_a_place_drawn(app, canvas):
    altered, drawn = perturb(DIGITS, "reposition", np.random.default_rng(0), canvas=canvas)
    room = max(canvas - 28, 1)
    for digit, left, top, expected in zip(DIGITS, drawn["left"], drawn["top"], altered, strict=True):
        np.testing.assert_array_equal(app.alter(digit, canvas, left / room, top / room, app.NONE), expected)


# Runs the app, and reports each connection to another machine that any of its packages tries.
REPORTER = """
import runpy, signal, sys

def report(event, arguments):
    target = {"socket.connect": arguments[1:2], "socket.getaddrinfo": [arguments]}.get(event, [None])[0]
    if isinstance(target, tuple) and target[0] not in (None, "127.0.0.1", "localhost", "::1"):
        print("ELSEWHERE:", event, target, file=sys.stderr, flush=True)

sys.addaudithook(report)
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background ignores
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def server(app, tmp_path_factory):
    """The address of the app, serving the baseline network.

    In the end it has tried to reach nothing else, has written no picture, and Ctrl+C ends it: its log holds no
    traceback, whatever was typed or opened.
    """
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    shutil.copy(ROOT / "models/baseline.keras", folder / "models/model.keras")
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
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    farewell = "Keyboard interruption in main thread... closing server."
    assert log.read_text() == f"Open {address} in a browser. Ctrl+C ends it.\n{farewell}\n"
    assert not list(folder.glob("pictures/**/*.*"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium or no chromedriver here; Debian: apt-get install chromium chromium-driver")
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
        return wait.WebDriverWait(self.browser, 30, 0.05, [Exception]).until(lambda _: condition())

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

    def field(self, slider):
        return self.find(f"input[aria-label='number input for {slider}']")

    def set(self, slider, value):
        self.until(self.field(slider).is_enabled)
        self.field(slider).send_keys(webdriver.Keys.CONTROL, "a")
        self.field(slider).send_keys(str(value), webdriver.Keys.TAB)

    def choose(self, kind):
        field = self.find("input[aria-label='perturbation']")
        field.click()
        field.send_keys(webdriver.Keys.CONTROL, "a")
        field.send_keys(kind, webdriver.Keys.ENTER)


@pytest.fixture
def page(server, browser):
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


def test_it_opens_with_an_empty_pad_and_no_answer(page):
    assert page.heading == "Draw a digit"
    assert page.percent == [0] * 10
    assert not page.image.any()


def test_a_stroke_of_the_mouse_is_read(page):
    page.draw((0.5, 0.2), (0.48, 0.8))
    page.until(lambda: page.heading == "This is a 1")
    assert np.argmax(page.percent) == 1
    assert sum(page.percent) == pytest.approx(100, abs=1)
    assert page.image.max() == 255


def test_a_stroke_of_a_finger_is_read(page):
    pad = page.find("#pad canvas").rect
    for event, x, y in [("Start", 0.2, 0.2), ("Move", 0.7, 0.2), ("Move", 0.4, 0.85), ("End", None, None)]:
        points = [] if x is None else [{"x": pad["x"] + x * pad["width"], "y": pad["y"] + y * pad["height"]}]
        page.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": f"touch{event}", "touchPoints": points}
        )
    page.until(lambda: page.heading == "This is a 7")


def test_clear_takes_drawing_and_answer_away(page):
    page.draw((0.5, 0.2), (0.48, 0.8))
    page.until(lambda: page.heading == "This is a 1")
    page.find("#pad button").click()
    page.until(lambda: page.heading == "Draw a digit")
    page.draw((0.2, 0.2), (0.7, 0.2), (0.4, 0.85))
    page.until(lambda: page.heading == "This is a 7")


def test_each_digit_of_mnist_is_opened_unchanged_and_gets_its_label(page, tmp_path):
    for label, digit in enumerate(DIGITS):
        page.open(tmp_path / f"{label}.png", encode(digit))
        page.shows(digit)
        assert page.heading == f"This is a {label}"


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


def test_where_the_canvas_leaves_no_place_to_choose_the_sliders_of_the_place_are_inactive(page):
    def are_enabled():
        return [page.field(slider).is_enabled() for slider in ("across", "down")]

    assert are_enabled() == [False, False]
    assert "Left to right, on a canvas larger than 28." in page.text
    page.set("canvas", 29)
    page.until(lambda: are_enabled() == [True, True])
    page.set("canvas", 28)
    page.until(lambda: are_enabled() == [False, False])


def test_a_number_typed_key_by_key_is_answered_at_every_key(app, page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.shows(SEVEN)
    field, keys = page.field("canvas"), webdriver.Keys
    field.send_keys(keys.CONTROL, "a")
    # (key, the canvas that is then shown): the nearest that the slider allows.
    for key, canvas in [("8", 28), ("0", 80), ("0", 280), *[(keys.BACKSPACE, side) for side in (80, 28, 28)]]:
        field.send_keys(key)
        page.shows(app.alter(SEVEN, canvas, 0.5, 0.5, app.NONE))
        assert "Error" not in page.text
    field.send_keys("80", keys.TAB)
    page.shows(app.alter(SEVEN, 80, 0.5, 0.5, app.NONE))
    assert field.get_attribute("value") == "80"


def test_a_perturbation_is_altered_by_its_own_sliders_and_never_jumps(app, page, tmp_path):
    def perturbed(kind, **strengths):
        return perturb(SEVEN[None], kind, np.random.default_rng(app.SEED), **strengths)[0][0]

    page.open(tmp_path / "7.png", encode(SEVEN))
    page.choose("shot_noise")
    page.shows(perturbed("shot_noise"))
    page.set("photons", 500)
    page.shows(perturbed("shot_noise", photons=500))
    page.choose("glass_blur")
    page.shows(perturbed("glass_blur"))
    page.choose("none")
    page.shows(SEVEN)
    page.until(lambda: "displacement" not in page.text)
