"""The page in a real browser: what one draws, drops, types or moves is answered, and stays on the machine."""

import base64
import importlib
import os
import re
import shutil
import signal
import socket
import sys
from subprocess import PIPE, Popen

import numpy as np
import pytest
from browser import CHROMIUM, FLAGS
from conftest import ROOT
from pictures import DIGITS, encode

from robustness.perturbations import perturb
from robustness.pictures import MAX_BYTES

webdriver = pytest.importorskip("selenium.webdriver", reason="requirements-app.txt is not installed")
wait = pytest.importorskip("selenium.webdriver.support.wait")
pytestmark = pytest.mark.slow
SEVEN = DIGITS[7]


@pytest.fixture(scope="module")
def app():
    # Not at the top: Gradio and TensorFlow take seconds, also where these tests are not selected.
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
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="module")
def server(app, tmp_path_factory):
    """The address of the app, serving the baseline network. In the end it has tried to reach nothing else,
    written no picture and complained of nothing that was typed or opened, and ends on Ctrl+C."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    shutil.copy(ROOT / "models/baseline.keras", folder / "models/model.keras")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, "-c", REPORTER, ROOT / "app.py", f"--port={port}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(folder / "pictures")}
    process = Popen(command, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE, text=True)
    address = f"http://127.0.0.1:{port}/"
    assert process.stdout.readline() == f"Open {address} in a browser. Ctrl+C ends it.\n"
    yield address
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0
    # A browser that leaves in the middle of an answer makes Starlette complain, now and then, of itself.
    assert re.findall(rf"ELSEWHERE.*|{ROOT}/(?:app|robustness).*|gradio/components.*", complaints) == []
    assert not list(folder.glob("pictures/**/*.*"))


class Page(webdriver.Chrome):
    def find(self, css):
        return self.until(lambda: self.find_element("css selector", css))

    def until(self, condition):
        return wait.WebDriverWait(self, 30, 0.05, [Exception]).until(lambda _: condition())

    @property
    def text(self):
        return self.execute_script("return document.body.innerText")

    def says(self, text):
        return self.until(lambda: text in self.text)

    def shows(self, image):
        """Wait until the page shows this as what the network got."""
        self.find(f"#answer img[src='data:image/png;base64,{base64.b64encode(encode(image)).decode()}']")

    def draw(self, *points):
        """Draw with the mouse from point to point: pixels from the middle."""
        mouse = webdriver.ActionChains(self, duration=20)
        for point in points:
            mouse.move_to_element_with_offset(self.find("#pad canvas"), *point).click_and_hold()
        mouse.release().perform()

    def open(self, path, content):
        path.write_bytes(content)
        self.find("#pad input").send_keys(str(path))

    def field(self, label):
        return self.find(f"input[aria-label$='{label}']")  # of a slider: its number, which comes first

    def set(self, label, value):
        self.until(self.field(label).is_enabled)
        self.field(label).send_keys(webdriver.Keys.CONTROL, "a")
        self.field(label).send_keys(str(value), webdriver.Keys.ENTER)


@pytest.fixture(scope="module")
def browser():
    driver = shutil.which("chromedriver")
    if not (CHROMIUM and driver):
        pytest.skip("no Chromium or no chromedriver here; Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, "--window-size=1280,1000"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Page(options, webdriver.ChromeService(driver)) as browser:
        yield browser


@pytest.fixture
def page(server, browser):
    """The page as it opens. In the end, the browser has no complaint: FLAGS make every other host one."""
    browser.get("about:blank")
    browser.get_log("browser")  # the last test's page complains that it was left in the middle of a request
    browser.get(server)
    browser.find("#answer img")
    yield browser
    assert browser.get_log("browser") == []


def test_it_opens_with_no_answer_reads_strokes_of_the_mouse_and_clear_takes_them_away(page):
    assert "Draw a digit" in page.text
    assert page.text.count("0.0 %") == 10
    page.shows(np.zeros((28, 28)))
    page.draw((0, -100), (0, 100))
    page.says("This is a 1")
    percent = [float(number) for number in re.findall(r"([\d.]+) %", page.text)]
    assert np.argmax(percent) == 1
    assert sum(percent) == pytest.approx(100, abs=1)
    page.find("#pad button").click()
    page.says("Draw a digit")
    page.draw((-80, -100), (80, -100), (-20, 100))
    page.says("This is a 7")


def test_a_stroke_of_a_finger_is_read(page):
    x, y = page.find("#pad canvas").location.values()
    for event, points in [("Start", [(80, 80)]), ("Move", [(260, 80)]), ("Move", [(140, 310)]), ("End", [])]:
        points = [{"x": x + right, "y": y + down} for right, down in points]
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": f"touch{event}", "touchPoints": points})
    page.says("This is a 7")


def test_each_digit_of_mnist_is_opened_unchanged_and_gets_its_label(page, tmp_path):
    for label, digit in enumerate(DIGITS):
        page.open(tmp_path / f"{label}.png", encode(digit))
        page.shows(digit)
        assert f"This is a {label}" in page.text


def test_a_picture_can_be_dropped(page):
    drop = """
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([Uint8Array.from(arguments[0])], "7.png"));
        document.querySelector("#pad canvas").dispatchEvent(new DragEvent("drop", {dataTransfer}));
    """
    page.execute_script(drop, list(encode(SEVEN)))
    page.shows(SEVEN)


def test_what_cannot_be_used_is_refused_with_the_reason(page, tmp_path):
    for content, reason in [
        (b"seven", "expected an image"),
        (bytes(MAX_BYTES + 2), "expected at most 16,777,216 bytes"),
        (encode(np.full((50, 50), 255)), "expected a digit, found a blank picture"),
    ]:
        page.open(tmp_path / "7.png", content)
        page.says(f"This picture cannot be used: {reason}")


def test_the_sliders_of_the_place_are_inactive_until_the_canvas_leaves_a_place_to_choose(app, page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.shows(SEVEN)
    assert not page.field("across").is_enabled()
    assert "Left to right; needs a canvas larger than 28." in page.text
    page.set("canvas", 56)
    page.set("across", 1)
    page.set("down", 0)
    page.shows(app.alter(SEVEN, 56, 1, 0, app.NONE))
    page.set("canvas", 28)
    page.until(lambda: not page.field("down").is_enabled())


def test_a_number_is_answered_at_every_key_with_the_nearest_that_the_slider_allows(app, page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.set("canvas", "")
    for keys, canvas in [("8", 28), ("0", 80), ("0", 280), (3 * webdriver.Keys.BACKSPACE, 28)]:
        page.field("canvas").send_keys(keys)
        page.shows(app.alter(SEVEN, canvas, 0.5, 0.5, app.NONE))
        assert "Error" not in page.text


def test_a_perturbation_is_altered_by_its_own_sliders_and_never_jumps(app, page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.set("perturbation", "shot_noise")
    page.shows(app.alter(SEVEN, 28, 0.5, 0.5, "shot_noise"))
    page.set("photons", 500)
    page.shows(app.alter(SEVEN, 28, 0.5, 0.5, "shot_noise", photons=500))
    page.set("perturbation", "none")
    page.shows(SEVEN)
    page.until(lambda: "photons" not in page.text)
