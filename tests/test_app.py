"""The page in a real browser: what one draws, drops, types or moves is answered, and stays on the machine."""

import base64
import os
import re
import shutil
import signal
import socket
import sys
from subprocess import PIPE, Popen
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from browser import CHROMIUM, FLAGS
from conftest import ROOT
from pictures import DIGITS, draw, encode

from mnist_moved.data.pictures import MAX_BYTES, SEVERAL
from mnist_moved.evaluation.breaking import lost_at
from mnist_moved.evaluation.probe import NONE, perturb_digit, places, steps
from mnist_moved.paths import DATASET, EXAMPLES, MODEL, PARAMS, baseline_of
from mnist_moved.perturbations import PERTURBATIONS
from mnist_moved.perturbations.geometry import place

webdriver = pytest.importorskip("selenium.webdriver", reason="requirements-app.txt is not installed")
wait = pytest.importorskip("selenium.webdriver.support.wait")
pytestmark = pytest.mark.slow
SEVEN = DIGITS[7]
BASELINE = baseline_of("mnist")


@pytest.mark.parametrize("canvas", [28, 56, 75.5])
def test_a_digit_is_shrunk_onto_the_place_that_is_chosen(canvas):
    room, top, left = canvas - 28, 0.25, 0.75
    expected = place(DIGITS[7:8], np.array([canvas]), np.array([top * room]), np.array([left * room]))
    np.testing.assert_array_equal(perturb_digit(SEVEN, 28 / canvas, left, top, NONE), expected)


@pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name != "reposition"])
def test_while_one_thing_changes_all_else_stays_as_it_is(name):
    [once] = perturb_digit(SEVEN, 0.5, 0.2, 0.7, name)
    twice = perturb_digit(SEVEN, [0.5, 0.5], 0.2, 0.7, name)
    np.testing.assert_array_equal(twice, [once, once])


def test_a_map_tries_whole_pixels_if_they_are_few_and_never_too_many_places():
    assert places(1).tolist() == [0]
    np.testing.assert_allclose(places(28 / 31), [0, 1 / 3, 2 / 3, 1])
    assert len(places(0.1)) == 20


# Runs the app, and reports each connection to another machine that any of its packages tries.
REPORTER = """
import runpy, signal, sys

def report(event, arguments):
    target = {"socket.connect": arguments[1:2], "socket.getaddrinfo": [arguments]}.get(event, [None])[0]
    if isinstance(target, tuple) and target[0] not in (None, "127.0.0.1", "localhost", "::1"):
        print("EXTERNAL:", event, target, file=sys.stderr, flush=True)

sys.addaudithook(report)
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background ignores
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


# Through which nobody is reached.
PROXIES = {"http_proxy": "http://127.0.0.1:9", "all_proxy": "socks5://127.0.0.1:9", "no_proxy": "example.org"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of the app, with the baseline for both networks, behind a proxy. In the end it has tried to
    reach nothing else, written no picture and complained of nothing that was typed or opened, and ends on
    Ctrl+C."""
    folder = tmp_path_factory.mktemp("project")
    copies = {path: path for path in (BASELINE, DATASET, EXAMPLES, PARAMS)} | {MODEL: BASELINE}
    for path, source in copies.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, folder / path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, "-c", REPORTER, ROOT / "app.py", f"--port={port}"]
    environment = (
        os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(folder / "pictures")} | PROXIES
    )
    process = Popen(command, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE, text=True)
    address = f"http://127.0.0.1:{port}/"
    assert process.stdout.readline() == f"Open {address} in a browser. Ctrl+C ends it.\n"
    yield address
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0
    # A browser that leaves in the middle of an answer makes Starlette complain, now and then, of itself.
    assert re.findall(rf"EXTERNAL.*|{ROOT}/(?:app|mnist_moved).*|gradio/components.*", complaints) == []
    assert not list(folder.glob("pictures/**/*.*"))


def test_behind_a_proxy_the_page_asks_itself_without_it(server):
    with build_opener(ProxyHandler({})).open(server) as answer:
        assert b"Try your own digit" in answer.read()


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

    def click(self, css):
        self.execute_script("arguments[0].click()", self.find(css))  # wherever it is scrolled to

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


def test_it_opens_with_no_answer_reads_strokes_of_mouse_and_finger_and_clear_takes_them_away(page):
    assert "Draw something to see how far either network follows." in page.text
    assert page.text.count("0.0 %") == 20
    page.draw((0, -100), (0, 100))
    page.says("This network says 1")
    page.says("The baseline says 1")
    percent = [float(number) for number in re.findall(r"([\d.]+) %", page.find("#answer .network0").text)]
    assert np.argmax(percent) == 1
    assert sum(percent) == pytest.approx(100, abs=1)
    page.find("#pad .clear").click()
    page.says("Draw something")
    x, y = page.find("#pad canvas").location.values()
    for event, points in [("Start", [(80, 80)]), ("Move", [(240, 80)]), ("Move", [(140, 270)]), ("End", [])]:
        points = [{"x": x + right, "y": y + down} for right, down in points]
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": f"touch{event}", "touchPoints": points})
    page.says("This network says 7")


def test_a_digit_of_mnist_is_opened_or_dropped_unchanged_and_gets_its_label(page, tmp_path):
    for label, digit in enumerate(DIGITS):
        page.open(tmp_path / f"{label}.png", encode(digit))
        page.shows(digit)
        page.says(f"This network says {label}")
        page.find(f"input[type=radio][value='{label}']:checked")
    drop = """
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([Uint8Array.from(arguments[0])], "7.png"));
        document.querySelector("#pad canvas").dispatchEvent(new DragEvent("drop", {dataTransfer}));
    """
    page.execute_script(drop, list(encode(SEVEN)))
    page.shows(SEVEN)


def test_what_cannot_be_used_is_refused_with_the_reason_and_of_several_digits_it_warns(page, tmp_path):
    for content, message in [
        (b"seven", "This picture cannot be used: expected an image"),
        (bytes(MAX_BYTES + 2), "This picture cannot be used: expected at most 16,777,216 bytes"),
        (encode(np.full((50, 50), 255)), "cannot be used: expected ink on paper, with some paper around it"),
        (encode(np.hstack([draw(DIGITS[4]), draw(DIGITS[2])])), f"In this picture, {SEVERAL}."),
    ]:
        assert "This network says" not in page.text
        page.open(tmp_path / "7.png", content)
        page.says(message)
    page.says("This network says")


def test_an_example_is_chosen_by_key_knows_what_it_is_and_can_be_corrected(page):
    page.find("[aria-label='example: a hard 7']").send_keys(webdriver.Keys.ENTER)
    page.says("This network says 1")
    page.find("input[type=radio][value='7']:checked")
    lost = "This network never reads it, the baseline never reads it"
    page.says(lost)
    page.click("input[type=radio][value='1']")
    page.until(lambda: lost not in page.text)


def test_curves_and_maps_say_what_the_networks_make_of_every_size_place_and_strength(page, tmp_path):
    from mnist_moved.networks.saving import load_network, predict

    network = load_network(ROOT / BASELINE)

    def right(*controls, **strengths):
        return predict(network, perturb_digit(SEVEN, *controls, **strengths)).argmax(axis=1) == 7

    page.open(tmp_path / "7.png", encode(SEVEN))
    page.shows(SEVEN)
    assert "Make it smaller to see at which places" in page.text
    sizes = steps([1, 0.2])
    lost = lost_at(right(sizes, 0.5, 0.5, NONE), sizes)
    assert f"This network loses it at {100 * lost:.0f} % of its size" in page.text
    page.set("perturbation", "impulse noise")
    fractions = steps([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7])
    lost = lost_at(right(1, 0.5, 0.5, "impulse_noise", fraction=fractions), fractions)
    page.says(f"This network loses it at fraction {lost:.3g} of the pixels, the baseline loses it at")
    page.set("perturbation", "shot noise")
    page.says("This network never loses it, the baseline never loses it (tried to photons 0.5).")
    charts = page.find_elements("css selector", "#limits svg")
    assert all(chart.get_attribute("aria-label") in page.text for chart in charts)
    assert [chart.get_attribute("role") for chart in charts] == ["img"] * 2

    page.set("perturbation", "none")
    page.set("size, %", 50)
    over, under = np.meshgrid(places(0.5), places(0.5))
    share = right(0.5, over.ravel(), under.ravel(), NONE).mean()
    page.says(f"This network is right at {100 * share:.0f} % of the places")
    assert len(page.find_elements("css selector", "#limits .maps svg.network0 .right")) == round(400 * share)


def test_size_place_and_perturbation_have_sliders_of_their_own_and_can_all_be_taken_back(page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.shows(SEVEN)
    assert not page.field("across").is_enabled()
    for label, value in (("size, %", 50), ("across", 1), ("down", 0)):
        page.set(label, value)
    page.shows(perturb_digit(SEVEN, 0.5, 1, 0, NONE)[0])
    page.set("perturbation", "shot noise")
    page.shows(perturb_digit(SEVEN, 0.5, 1, 0, "shot_noise")[0])
    page.set("photons", 500)
    page.shows(perturb_digit(SEVEN, 0.5, 1, 0, "shot_noise", photons=500)[0])
    page.click("#back")
    page.shows(SEVEN)
    page.until(lambda: page.field("across").get_attribute("value") == "0.5")
    page.until(lambda: not page.field("down").is_enabled() and "photons" not in page.text)


def test_a_number_is_answered_at_every_key_with_the_nearest_that_the_slider_allows(page, tmp_path):
    page.open(tmp_path / "7.png", encode(SEVEN))
    page.set("size, %", "")
    for keys, percent in [("4", 10), ("0", 40), ("0", 100), (3 * webdriver.Keys.BACKSPACE, 10)]:
        page.field("size, %").send_keys(keys)
        page.shows(perturb_digit(SEVEN, percent / 100, 0.5, 0.5, NONE)[0])
        assert "Error" not in page.text


def test_it_fits_a_phone(page):
    screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.find("[aria-label='example: 7']").click()
    page.says("This network says 7")
    page.set("size, %", 50)
    page.says("of the places")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 400
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
