"""Try your own digit: draw one, or drop a picture of one, perturb it, and see what the network makes of it.

    python app.py                  then open http://127.0.0.1:7860
    python app.py --port 8000      at another port
    python app.py --host 0.0.0.0   for everyone on your network, say to draw on a phone

Needs the packages in requirements-app.txt. Where `download.dataset` is not MNIST, it speaks of what that has.
The page loads nothing from elsewhere; no picture leaves your machine or is written to disk.
"""

import base64
import binascii
import inspect
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mnist_moved.command import UserError, end_in_one_line, make_parser, run

end_in_one_line()
# Gradio asks the page itself over HTTP, and nobody else. It reads this when it is imported.
os.environ["no_proxy"] = "*"
try:
    import gradio as gr
except ModuleNotFoundError:
    raise SystemExit(
        "error: the page needs Gradio: `pip install -r requirements-app.txt` installs it"
    ) from None
import numpy as np

from mnist_moved.data.datasets import Dataset, read_dataset
from mnist_moved.data.idx import CLASSES, SIDE
from mnist_moved.data.pictures import MAX_BYTES, SEVERAL, PictureError, data_url, read_digit
from mnist_moved.data.test_sets import TestSet, load_test_set
from mnist_moved.evaluation.breaking import lost_at
from mnist_moved.evaluation.probe import NONE, SMALLEST, follow, perturb_digit, places, steps
from mnist_moved.networks import Predict
from mnist_moved.networks.quiet_keras import keras, tensorflow
from mnist_moved.networks.saving import load_network
from mnist_moved.params import load_params
from mnist_moved.paths import EXAMPLES, MODEL, baseline_of
from mnist_moved.perturbations import PERTURBATIONS, ranges
from mnist_moved.perturbations.contract import Range
from mnist_moved.report.wording import words

PAGE = Path(__file__).parent / "page"
NAMES = ["This network", "The baseline"]
BLOCK = 64  # images that a network reads at once
NO_LIMITS = {"curves": [], "maps": []}

# Those that can be chosen; reposition is always there, at a place that is chosen instead of drawn. And the
# strengths of all of them, in the order in which the page has their sliders.
CHOICES = [name for name in PERTURBATIONS if name != "reposition"]
STRENGTHS = [(name, strength) for name in CHOICES for strength in ranges(name)]


def quick(network: keras.Model) -> Predict:
    """A network as a function that answers at once, for any number of images.

    `predict` prepares for many batches, and another number of images is compiled anew.
    """
    call = tensorflow.function(lambda images: network(images, training=False))

    def predict(images: np.ndarray) -> np.ndarray:
        padded = np.zeros((-(-len(images) // BLOCK) * BLOCK, SIDE, SIDE), np.uint8)
        padded[: len(images)] = images
        blocks = padded.reshape(-1, BLOCK, SIDE, SIDE)
        return np.concatenate([call(block) for block in blocks])[: len(images)]

    predict(np.zeros((1, SIDE, SIDE), np.uint8))  # compiles it
    return predict


class Answers:
    """What the page shows of a digit, from what its controls are set to.

    networks: two of them; curves: from where to where the strength of a perturbation goes, as in params.yaml;
    dataset: what they know. The methods take the values of Gradio's components, and return those of others.
    """

    def __init__(
        self, networks: Sequence[Predict], curves: Mapping[str, Mapping[str, list[float]]], dataset: Dataset
    ) -> None:
        self.networks, self.curves, self.dataset = networks, curves, dataset
        self.nothing = {
            "image": data_url(np.zeros((SIDE, SIDE), np.uint8)),
            "networks": [{"name": name, "says": None, "percent": [0] * CLASSES} for name in NAMES],
            "classes": dataset.classes,
        }

    def read(self, picture: dict[str, Any] | None, *controls: Any) -> tuple[Any, ...]:
        """Read the digit on the pad, tell which it is, and answer: digit, label, truth, answer, limits."""
        digit = label = None
        if picture is not None:
            try:
                reading = read_digit(base64.b64decode(picture["picture"].partition(",")[2]), self.dataset.box)
                if reading.several:
                    gr.Warning(f"In this picture, {SEVERAL}.")
                digit, label = reading.image, picture["label"]
                if label is None:
                    label = int(self.networks[0](digit[None])[0].argmax())
            except (PictureError, binascii.Error) as reason:
                gr.Warning(f"This picture cannot be used: {reason}.")
        return digit, label, label, *self.answer(digit, label, *controls)

    def correct(self, digit: np.ndarray | None, truth: int, *controls: Any) -> tuple[Any, ...]:
        """Take a person's word for which digit it is, and answer: label, answer, limits."""
        return truth, *self.answer(digit, truth, *controls)

    def answer(
        self,
        digit: np.ndarray | None,
        label: int,
        percent: float,
        across: float,
        down: float,
        chosen: str,
        *values: float,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What page/answer.html and page/limits.html show; values: of all STRENGTHS."""
        if digit is None:
            return self.nothing, NO_LIMITS
        size = percent / 100
        controls = {"size": size, "across": across, "down": down, "perturbation": chosen}
        every = zip(STRENGTHS, values, strict=True)
        controls |= {strength: value for (name, strength), value in every if name == chosen}
        changes = {"none": {}, "size": {"size": steps([1, SMALLEST])}}
        if len(places(size)) > 1:
            over, under = np.meshgrid(places(size), places(size))
            changes["place"] = {"across": over.ravel(), "down": under.ravel()}
        if chosen in self.curves:
            [(strength, tried)] = self.curves[chosen].items()
            changes["strength"] = {strength: steps(tried)}
        found = follow(digit, controls, changes, self.networks)

        bars = [
            {"name": name, "says": self.dataset.classes[bar.argmax()], "percent": (100 * bar).tolist()}
            for name, bar in zip(NAMES, (each["none"][0] for each in found), strict=True)
        ]
        all_else = "" if chosen == NONE else f", with {words(chosen)}"
        curves = [curve_of(f"Smaller and smaller{all_else}", changes["size"], "size", found, label)]
        if "strength" in changes:
            title = f"More and more {words(chosen)}"
            curves.append(curve_of(title, changes["strength"], "strength", found, label, ranges(chosen)))
        maps = []
        if "place" in changes:
            maps = [
                map_of(name, each["place"], label, across, down)
                for name, each in zip(NAMES, found, strict=True)
            ]
        image = data_url(perturb_digit(digit, **controls)[0])
        return self.nothing | {"image": image, "networks": bars}, {"curves": curves, "maps": maps}


def curve_of(
    title: str,
    change: dict[str, np.ndarray],
    name: str,
    found: list[dict[str, np.ndarray]],
    label: int,
    units: Mapping[str, Range] = MappingProxyType({}),
) -> dict[str, Any]:
    """A curve for page/limits.html: how sure each network is of the label, and in words where it loses it.

    change: the one control that changes, with its values; name: of that change in `found`, as of `follow`.
    """
    [(control, values)] = change.items()

    def written(value: float) -> str:
        if control == "size":
            return f"{100 * value:.0f} % of its size"
        return f"{control} {value:.3g} {units[control].unit}".rstrip()

    correct = [each[name].argmax(axis=1) == label for each in found]
    lost = [lost_at(each, values) for each in correct]
    ends = [
        "never loses it" if at is None else f"loses it at {written(at)}" if ever.any() else "never reads it"
        for at, ever in zip(lost, correct, strict=True)
    ]
    limit = f" (tried to {written(values[-1])})" if None in lost else ""
    return {
        "title": title,
        "finding": f"This network {ends[0]}, the baseline {ends[1]}{limit}.",
        "lines": [each[name][:, label].round(3).tolist() for each in found],
        "ends": [written(values[0]), written(values[-1])],
    }


def map_of(name: str, probabilities: np.ndarray, label: int, across: float, down: float) -> dict[str, Any]:
    """A map for page/limits.html: at which places a network reads the label, and the place chosen."""
    correct = probabilities.argmax(axis=1) == label
    side = round(len(correct) ** 0.5)
    return {
        "side": side,
        "right": correct.tolist(),
        "finding": f"{name} is right at {100 * correct.mean():.0f} % of the places",
        "across": 0.5 + across * (side - 1),
        "down": 0.5 + down * (side - 1),
    }


def read_templates(name: str) -> dict[str, str]:
    return {f"{kind}_template": (PAGE / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css")}


def buttons(examples: TestSet, classes: Sequence[str]) -> list[dict[str, Any]]:
    """What page/pad.html shows of images of the test set to begin with: one of each class, then hard ones."""
    labels = examples.labels.tolist()
    return [
        {"picture": data_url(image), "label": label, "name": classes[label], "hard": label in labels[:place]}
        for place, (image, label) in enumerate(zip(examples.images, labels, strict=True))
    ]


def clamp(slider: gr.Slider, number: float | None) -> float:
    """The number of a slider's field, or the nearest that it allows: on the way to 80, a person types 8."""
    return slider.minimum if number is None else min(max(number, slider.minimum), slider.maximum)


def make_slider(low: float, high: float, value: float, label: str, **options: Any) -> gr.Slider:
    """A slider that takes the nearest number that it allows, where Gradio's own ends in an error."""
    slider = gr.Slider(low, high, value, label=label, **options)
    slider.preprocess = partial(clamp, slider)  # not in a subclass: beside each, Gradio writes a .pyi file
    return slider


def show_sliders(chosen: str) -> list[gr.Column]:
    return [gr.Column(visible=name == chosen) for name in CHOICES]


def activate_place(percent: float) -> list[dict[str, Any]]:
    """A digit at its full size has no other place to go."""
    return [gr.update(interactive=percent < 100)] * 2


def lay_out_controls() -> tuple[list[gr.components.Component], list[gr.Column]]:
    """Size, place and perturbation, then a slider for each of STRENGTHS; and a column for each of CHOICES."""
    inactive = {"step": 0.01, "interactive": False}
    controls = [
        make_slider(10, 100, 100, "size, %", step=1, info="Smaller, on a larger sheet."),
        make_slider(0, 1, 0.5, "across", info="From left to right, once it is smaller.", **inactive),
        make_slider(0, 1, 0.5, "down", info="From top to bottom, once it is smaller.", **inactive),
        gr.Dropdown([(words(name), name) for name in [NONE, *CHOICES]], value=NONE, label="perturbation"),
    ]
    columns = []
    for name in CHOICES:
        with gr.Column(visible=False) as column:
            gr.Markdown((inspect.getdoc(PERTURBATIONS[name]) or "").partition("\n")[0])
            for strength, (low, high, default, unit) in ranges(name).items():
                step = 1 if high > 100 else 0.01
                controls.append(make_slider(low, high, default, strength, info=unit, step=step))
        columns.append(column)
    return controls, columns


def build_page(answers: Answers, examples: TestSet) -> gr.Blocks:
    """Lay out the page and connect its parts; examples: images to begin with."""
    thing, classes = answers.dataset.thing, answers.dataset.classes
    with gr.Blocks(title=f"Try your own {thing}", analytics_enabled=False) as page:
        gr.Markdown(
            f"# Try your own {thing}\n"
            "Draw it, or drop a picture of it on the pad. Then make it harder. The baseline is the Keras"
            " example that everyone starts from, trained on pictures as they are."
        )
        digit, label = gr.State(), gr.State()  # an image, and which digit it is
        with gr.Row():
            with gr.Column(min_width=280):
                pad = gr.HTML(
                    **read_templates("pad"),
                    js_on_load=(PAGE / "pad.js").read_text("utf-8"),
                    max_bytes=MAX_BYTES,
                    examples=buttons(examples, classes),
                    elem_id="pad",
                )
            with gr.Column(scale=3, min_width=280):
                result = gr.HTML(answers.nothing, **read_templates("answer"), elem_id="answer")
        with gr.Row():
            with gr.Column(min_width=280):
                numbered = [(name, number) for number, name in enumerate(classes)]
                truth = gr.Radio(numbered, label=f"which {thing} it is", info="Correct it if need be.")
                controls, columns = lay_out_controls()
                back = gr.Button("As it was", size="sm", elem_id="back")
            with gr.Column(scale=3, min_width=280):
                limits = gr.HTML(NO_LIMITS, **read_templates("limits"), elem_id="limits")

        percent, across, down, chosen, *_ = controls
        at_once = {
            "show_progress": "hidden",
            "trigger_mode": "always_last",
            "concurrency_id": "answers",  # one after another, so that the last asked is the last shown
            "api_visibility": "private",
        }
        changes = [control.change for control in controls]
        gr.on(changes, answers.answer, [digit, label, *controls], [result, limits], **at_once)
        pad.input(answers.read, [pad, *controls], [digit, label, truth, result, limits], **at_once)
        truth.input(answers.correct, [digit, truth, *controls], [label, result, limits], **at_once)
        percent.change(activate_place, percent, [across, down], **at_once)
        back.click(lambda: [100, 0.5, 0.5, NONE], None, [percent, across, down, chosen], **at_once)
        chosen.change(show_sliders, chosen, columns, **at_once)
    return page


def main() -> None:
    parser = make_parser("python app.py", __doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to serve (default: this machine only)")
    parser.add_argument("--port", default=7860, type=int, help="port to serve at (default: 7860)")
    arguments = parser.parse_args()

    dataset = read_dataset()
    networks = [quick(load_network(path)) for path in (MODEL, baseline_of(dataset.name))]
    page = build_page(Answers(networks, load_params().perturb.curves, dataset), load_test_set(EXAMPLES))
    try:
        _, address, _ = page.launch(
            server_name=arguments.host,
            server_port=arguments.port,
            theme=gr.themes.Default(font="system-ui", font_mono="monospace"),
            footer_links=[],
            share=False,
            max_file_size=1,  # byte: pictures come by way of the pad, and no file is ever uploaded
            quiet=True,
            prevent_thread_lock=True,
        )
    except (OSError, OverflowError):
        raise UserError(f"cannot serve at {arguments.host}:{arguments.port}; try another --port") from None
    print(f"Open {address} in a browser. Ctrl+C ends it.", flush=True)
    page.block_thread()


if __name__ == "__main__":
    run(main)
