"""How soon the page answers: from a change to the answer in the page, by the clock of the browser.

    python -m benchmarks.page

Needs requirements-app.txt, Chromium and its driver, and the network that `dvc repro train` makes. Changes
each thing so many times, while the page shows bars, curves and maps of both networks. Prints Markdown.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
from selenium import webdriver

from mnist_moved.command import UserError, make_parser, run

PORT = 7861
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"]
# From the moment at which a slider gets its value to the first frame that shows other maps.
WATCH = """
window.waited = [];
const shown = () => document.querySelector("#limits .maps")?.innerHTML;
let start = null, before = null;
document.addEventListener("input", () => { [start, before] = [performance.now(), shown()]; }, true);
new MutationObserver(() => start !== null && shown() !== before && requestAnimationFrame(() => {
    if (start !== null) waited.push(performance.now() - start);
    start = null;
})).observe(document.querySelector("#limits"), {subtree: true, childList: true, characterData: true});
"""
SET = """
const field = document.querySelector(`input[aria-label$="${arguments[0]}"]`);
Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, arguments[1]);
field.dispatchEvent(new Event("input", {bubbles: true}));
"""


def measure(browser: webdriver.Chrome, label: str, values: Sequence[float]) -> np.ndarray:
    """Milliseconds from each change of a slider to the answer."""
    waited = []
    for value in values:
        before = browser.execute_script("return waited.length")
        browser.execute_script(SET, label, str(value))
        while browser.execute_script("return waited.length") == before:
            time.sleep(0.05)
        time.sleep(0.3)
        waited.append(browser.execute_script("return waited")[before])
    return np.array(waited)


def choose(browser: webdriver.Chrome, name: str) -> None:
    """Choose a perturbation by its name."""
    field = browser.find_element("css selector", "input[aria-label$='perturbation']")
    field.send_keys(webdriver.Keys.CONTROL, "a")
    field.send_keys(name, webdriver.Keys.ENTER)
    time.sleep(2)


def main() -> None:
    parser = make_parser("python -m benchmarks.page", __doc__)
    parser.add_argument("--changes", type=int, default=20, help="of each thing")
    changes = parser.parse_args().changes
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        raise UserError(
            "expected chromium and chromedriver; Debian: apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    command = [sys.executable, "app.py", f"--port={PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if not server.stdout.readline():
                raise UserError("the page does not start; see above")
            with webdriver.Chrome(options, webdriver.ChromeService(driver)) as browser:
                browser.implicitly_wait(30)
                browser.get(f"http://127.0.0.1:{PORT}/")
                browser.find_element("css selector", "[aria-label='example: a 7']").click()
                browser.find_element("css selector", "#limits polyline")
                browser.execute_script(WATCH)
                rows = {"size": measure(browser, "size, %", np.linspace(60, 20, changes).round())}
                places = np.linspace(0, 1, changes + 1).round(3)  # no change to what is there already
                rows["place"] = measure(browser, "across", places[:-1])
                for name, ahead in (("zigzag", places[::-1][:-1]), ("motion blur", places[:-1])):
                    choose(browser, name)
                    rows[f"place, with {name}"] = measure(browser, "across", ahead)
        finally:
            server.terminate()
    print("| what is changed | median, ms | slowest, ms |\n|---|---|---|")
    for name, waited in rows.items():
        print(f"| {name} | {np.median(waited):.0f} | {waited.max():.0f} |")


if __name__ == "__main__":
    run(main)
