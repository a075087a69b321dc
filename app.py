"""Try your own digit: draw one, or drop a picture of one, alter it, and see what the network makes of it.

    python app.py                  then open http://127.0.0.1:7860
    python app.py --port 8000      at another port
    python app.py --host 0.0.0.0   for everyone on your network, say to draw on a phone

Needs the packages in requirements-app.txt. Where `download.dataset` is not MNIST, it speaks of what that has.
The page loads nothing from elsewhere; no picture leaves your machine or is written to disk.
"""

import argparse
import base64
import binascii
import inspect
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robustness.command import UserError, expect_interrupts, run

expect_interrupts()
try:
    import gradio as gr
    from gradio.components import Component
except ModuleNotFoundError:
    raise SystemExit(
        "error: the page needs Gradio: `pip install -r requirements-app.txt` installs it"
    ) from None
import numpy as np
from PIL import Image

from robustness.artifacts import EXAMPLES, MODEL, baseline_of
from robustness.curves import Predict
from robustness.datasets import Dataset, read_dataset
from robustness.mnist import CLASSES, SIDE
from robustness.networks import load_network
from robustness.own_digit import NONE, SMALLEST, alter, follow, lost_at, places, steps
from robustness.params import load_params
from robustness.perturbations import KINDS, Range, ranges
from robustness.pictures import MAX_BYTES, SEVERAL, PictureError, read_digit
from robustness.quiet_keras import keras, tensorflow
from robustness.suites import Suite, load_suite

PAGE = Path(__file__).parent / "page"
NAMES = ["This network", "The baseline"]
BLOCK = 64  # images that a network reads at once


def clamp(slider: gr.Slider, number: float | None) -> float:
    """The number of a slider's field, or the nearest that it allows: on the way to 80, a person types 8."""
    return slider.minimum if number is None else min(max(number, slider.minimum), slider.maximum)


# Gradio's own refuses such a number with an error. Not a subclass: beside each, Gradio writes a .pyi file.
gr.Slider.preprocess = clamp


def words(name: str) -> str:
    return name.replace("_", " ")


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


def read_templates(name: str) -> dict[str, str]:
    return {f"{kind}_template": (PAGE / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css")}


def as_data_url(image: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


NO_LIMITS = {"curves": [], "maps": []}


def buttons(examples: Suite, classes: Sequence[str]) -> list[dict[str, Any]]:
    """What page/pad.html shows of images of the test set to begin with: one of each class, then hard ones."""
    labels = examples.labels.tolist()
    return [
        {
            "picture": as_data_url(image),
            "label": label,
            "name": classes[label],
            "hard": label in labels[:place],
        }
        for place, (image, label) in enumerate(zip(examples.images, labels, strict=True))
    ]


def curve_of(
    title: str,
    change: dict[str, np.ndarray],
    name: str,
    found: list[dict[str, np.ndarray]],
    label: int,
    units: Mapping[str, Range] = MappingProxyType({}),
) -> dict[str, Any]:
    """A curve for page/limits.html: how sure each network is of the label, and in words where it loses it.

    change: the one setting that changes, with its values; name: of that change in `found`, as of `follow`.
    """
    [(setting, values)] = change.items()

    def written(value: float) -> str:
        if setting == "size":
            return f"{100 * value:.0f} % of its size"
        return f"{setting} {value:.3g} {units[setting].unit}".rstrip()

    right = [each[name].argmax(axis=1) == label for each in found]
    lost = [lost_at(each, values) for each in right]
    ends = [
        "never loses it" if at is None else f"loses it at {written(at)}" if read.any() else "never reads it"
        for at, read in zip(lost, right, strict=True)
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
    right = probabilities.argmax(axis=1) == label
    side = round(len(right) ** 0.5)
    return {
        "side": side,
        "right": right.tolist(),
        "finding": f"{name} is right at {100 * right.mean():.0f} % of the places",
        "across": 0.5 + across * (side - 1),
        "down": 0.5 + down * (side - 1),
    }


def build_page(
    networks: Sequence[Predict], curves: dict[str, dict[str, list[float]]], dataset: Dataset, examples: Suite
) -> gr.Blocks:
    """Lay out the page and connect its parts.

    networks: two of them; curves: from where to where the strength of a kind goes, as in params.yaml;
    dataset: what they know; examples: images to begin with.
    """
    no_answer = {
        "image": as_data_url(np.zeros((SIDE, SIDE), np.uint8)),
        "networks": [{"name": name, "says": None, "percent": [0] * CLASSES} for name in NAMES],
        "classes": dataset.classes,
    }

    def answer(values: dict[Component, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What page/answer.html and page/limits.html show, given the values of `settings`."""
        if values[digit] is None:
            return no_answer, NO_LIMITS
        chosen, size = values[kind], values[percent] / 100
        set_now = {"size": size, "across": values[across], "down": values[down], "kind": chosen}
        set_now |= {name: values[slider] for name, slider in sliders[chosen].items()}
        changes = {"none": {}, "size": {"size": steps([1, SMALLEST])}}
        if len(places(size)) > 1:
            over, under = np.meshgrid(places(size), places(size))
            changes["place"] = {"across": over.ravel(), "down": under.ravel()}
        if chosen in curves:
            [(strength, tried)] = curves[chosen].items()
            changes["strength"] = {strength: steps(tried)}
        found = follow(values[digit], set_now, changes, networks)

        bars = [100 * each["none"][0] for each in found]
        bars = [
            {"name": name, "says": dataset.classes[bar.argmax()], "percent": bar.tolist()}
            for name, bar in zip(NAMES, bars, strict=True)
        ]
        right, maps = values[label], []
        all_else = "" if chosen == NONE else f", with {words(chosen)}"
        figures = [curve_of(f"Smaller and smaller{all_else}", changes["size"], "size", found, right)]
        if "strength" in changes:
            title = f"More and more {words(chosen)}"
            figures.append(curve_of(title, changes["strength"], "strength", found, right, ranges(chosen)))
        if "place" in changes:
            maps = [
                map_of(name, each["place"], right, values[across], values[down])
                for name, each in zip(NAMES, found, strict=True)
            ]
        image = as_data_url(alter(values[digit], **set_now)[0])
        return no_answer | {"image": image, "networks": bars}, {"curves": figures, "maps": maps}

    def read(values: dict[Component, Any]) -> tuple[Any, ...]:
        """Read the digit on the pad, tell which it is, and answer: what goes to digit, label, truth, ..."""
        values[digit] = None
        if values[pad] is not None:
            try:
                reading = read_digit(base64.b64decode(values[pad]["picture"].partition(",")[2]), dataset.box)
                if reading.several:
                    gr.Warning(f"In this picture, {SEVERAL}.")
                values[digit], values[label] = reading.image, values[pad]["label"]
                if values[label] is None:
                    values[label] = int(networks[0](reading.image[None])[0].argmax())
            except (PictureError, binascii.Error) as reason:
                gr.Warning(f"This picture cannot be used: {reason}.")
        known = None if values[digit] is None else values[label]
        return values[digit], values[label], known, *answer(values)

    def correct(values: dict[Component, Any]) -> tuple[Any, ...]:
        """Take a person's word for which digit it is, and answer."""
        values[label] = values[truth]
        return values[label], *answer(values)

    def show_sliders(chosen: str) -> list[gr.Column]:
        return [gr.Column(visible=name == chosen) for name in groups]

    def activate_place(percent: float) -> list[dict[str, Any]]:
        """A digit at its full size has no other place to go."""
        return [gr.update(interactive=percent < 100)] * 2

    with gr.Blocks(title=f"Try your own {dataset.thing}", analytics_enabled=False) as page:
        gr.Markdown(
            f"# Try your own {dataset.thing}\n"
            "Draw it, or drop a picture of it on the pad. Then make it harder. The baseline is the Keras"
            " example that everyone starts from, trained on pictures as they are."
        )
        digit, label = gr.State(), gr.State()  # an image, and which digit it is
        with gr.Row():
            with gr.Column(min_width=280):
                script = (PAGE / "pad.js").read_text("utf-8")
                template = read_templates("pad")
                pad = gr.HTML(
                    **template,
                    js_on_load=script,
                    max_bytes=MAX_BYTES,
                    examples=buttons(examples, dataset.classes),
                    elem_id="pad",
                )
            with gr.Column(scale=3, min_width=280):
                result = gr.HTML(no_answer, **read_templates("answer"), elem_id="answer")
        with gr.Row():
            with gr.Column(min_width=280):
                choices = [(name, label) for label, name in enumerate(dataset.classes)]
                truth = gr.Radio(choices, label=f"which {dataset.thing} it is", info="Correct it if need be.")
                percent = gr.Slider(10, 100, 100, step=1, label="size, %", info="Smaller, on a larger sheet.")
                needs = "once it is smaller"
                inactive = {"step": 0.01, "interactive": False}
                across = gr.Slider(
                    0, 1, 0.5, label="across", info=f"From left to right, {needs}.", **inactive
                )
                down = gr.Slider(0, 1, 0.5, label="down", info=f"From top to bottom, {needs}.", **inactive)
                # Reposition is always there, at a place that is chosen instead of drawn.
                kinds = [NONE, *(name for name in KINDS if name != "reposition")]
                choices = [(words(name), name) for name in kinds]
                kind = gr.Dropdown(choices, value=NONE, label="alteration")
                controls = [percent, across, down, kind]
                groups, sliders = {}, {NONE: {}}
                for name in kinds[1:]:
                    with gr.Column(visible=False) as groups[name]:
                        gr.Markdown(inspect.getdoc(KINDS[name]).partition("\n")[0])
                        sliders[name] = {
                            strength: gr.Slider(
                                *span[:3], label=strength, info=span.unit, step=1 if span.high > 100 else 0.01
                            )
                            for strength, span in ranges(name).items()
                        }
                    controls += sliders[name].values()
                back = gr.Button("As it was", size="sm", elem_id="back")
            with gr.Column(scale=3, min_width=280):
                limits = gr.HTML(NO_LIMITS, **read_templates("limits"), elem_id="limits")

        settings = {digit, label, *controls}
        at_once = {
            "show_progress": "hidden",
            "trigger_mode": "always_last",
            "concurrency_id": "answers",  # one after another, so that the last asked is the last shown
            "api_visibility": "private",
        }
        pad.input(read, {pad, *settings}, [digit, label, truth, result, limits], **at_once)
        gr.on([control.change for control in controls], answer, settings, [result, limits], **at_once)
        truth.input(correct, {truth, *settings}, [label, result, limits], **at_once)
        percent.change(activate_place, percent, [across, down], **at_once)
        back.click(lambda: [100, 0.5, 0.5, NONE], None, [percent, across, down, kind], **at_once)
        kind.change(show_sliders, kind, list(groups.values()), **at_once)
    return page


def main() -> None:
    parser = argparse.ArgumentParser("python app.py", description="Try your own digit in a browser.")
    parser.add_argument("--host", default="127.0.0.1", help="where to serve (default: this machine only)")
    parser.add_argument("--port", default=7860, type=int, help="port to serve at (default: 7860)")
    arguments = parser.parse_args()

    dataset = read_dataset()
    networks = [quick(load_network(path)) for path in (MODEL, baseline_of(dataset.name))]
    page = build_page(networks, load_params().perturb.curves, dataset, load_suite(EXAMPLES))
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
