"""Try your own digit: draw one, or drop a picture of one, alter it, and see what the network makes of it.

    python app.py                  then open http://127.0.0.1:7860
    python app.py --port 8000      at another port
    python app.py --host 0.0.0.0   for everyone on your network, say to draw on a phone

Needs the packages in requirements-app.txt, and the network that `dvc repro` trains. The page loads nothing
from elsewhere; no picture leaves your machine or is written to disk.
"""

import argparse
import base64
import binascii
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from robustness.command import UserError, run
from robustness.mnist import SIDE
from robustness.networks import load_network
from robustness.perturbations import KINDS, perturb, place, ranges
from robustness.pictures import MAX_BYTES, PictureError, read_digit

NONE = "none"  # the kind of perturbation that is none
SEED = 42  # the same for every answer, so that the image does not jump while a slider moves
PAGE = Path(__file__).parent / "page"


def clamp(slider: gr.Slider, number: float | None) -> float:
    """The number of a slider's field, or the nearest that it allows: on the way to 80, a person types 8."""
    return slider.minimum if number is None else min(max(number, slider.minimum), slider.maximum)


# Gradio's own refuses such a number with an error. Not a subclass: beside each, Gradio writes a .pyi file.
gr.Slider.preprocess = clamp


def read_templates(name: str) -> dict[str, str]:
    return {f"{kind}_template": (PAGE / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css")}


def alter(
    digit: np.ndarray, canvas: float, across: float, down: float, kind: str, **strengths: float
) -> np.ndarray:
    """Reposition a digit, then perturb it: uint8 (28, 28) to uint8 (28, 28).

    across, down: its place on the canvas, from 0, the left and upper edge, to 1, the right and lower edge.
    kind, strengths: a kind of perturbation, or NONE.
    """
    room = canvas - SIDE
    settings = {"canvas": canvas, "zoom": 1, "top": down * room, "left": across * room}
    images = place(digit[None], **{name: np.array([value]) for name, value in settings.items()})
    if kind != NONE:
        images, _ = perturb(images, kind, np.random.default_rng(SEED), **strengths)
    return images[0]


def as_data_url(image: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


NO_ANSWER = {"image": as_data_url(np.zeros((SIDE, SIDE), np.uint8)), "label": None, "percent": [0] * 10}


def build_page(network: Callable[[np.ndarray], np.ndarray]) -> gr.Blocks:
    """Lay out the page and connect its parts. network: uint8 (n, 28, 28) to probabilities (n, 10)."""

    def answer(values: dict[Component, Any]) -> dict[str, Any]:
        """What page/answer.html shows, given the values of `settings`."""
        if values[digit] is None:
            return NO_ANSWER
        strengths = {name: values[slider] for name, slider in sliders[values[kind]].items()}
        image = alter(values[digit], values[canvas], values[across], values[down], values[kind], **strengths)
        percent = 100 * network(image[None])[0]
        return {"image": as_data_url(image), "label": int(percent.argmax()), "percent": percent.tolist()}

    def read(values: dict[Component, Any]) -> tuple[np.ndarray | None, dict[str, Any]]:
        """Read the digit on the pad, and answer."""
        values[digit] = None
        if values[pad] is not None:
            try:
                values[digit] = read_digit(base64.b64decode(values[pad].partition(",")[2])).image
            except (PictureError, binascii.Error) as reason:
                gr.Warning(f"This picture cannot be used: {reason}.")
        return values[digit], answer(values)

    def show_sliders(chosen: str) -> list[gr.Column]:
        return [gr.Column(visible=name == chosen) for name in groups]

    def activate_place(side: float) -> list[dict[str, Any]]:
        """On a canvas as small as the digit, there is no place to choose."""
        return [gr.update(interactive=side > SIDE)] * 2

    with gr.Blocks(title="Try your own digit", analytics_enabled=False) as page:
        gr.Markdown("# Try your own digit\nDraw it, or drop a picture of it on the pad. Then make it harder.")
        digit = gr.State()
        with gr.Row():
            with gr.Column(min_width=280):
                script = (PAGE / "pad.js").read_text("utf-8")
                pad = gr.HTML(**read_templates("pad"), js_on_load=script, max_bytes=MAX_BYTES, elem_id="pad")
            with gr.Column(scale=2, min_width=280):
                result = gr.HTML(NO_ANSWER, **read_templates("answer"), elem_id="answer")
        with gr.Row():
            with gr.Column(min_width=280):
                low, high, *_ = ranges("reposition")["canvas"]
                canvas = gr.Slider(low, high, low, step=1, label="canvas", info="Larger: a smaller digit.")
                needs = f"needs a canvas larger than {SIDE}"
                inactive = {"step": 0.01, "interactive": False}
                across = gr.Slider(0, 1, 0.5, label="across", info=f"Left to right; {needs}.", **inactive)
                down = gr.Slider(0, 1, 0.5, label="down", info=f"Top to bottom; {needs}.", **inactive)
            with gr.Column(min_width=280):
                # Reposition is always there, at a place that is chosen instead of drawn.
                kinds = [NONE, *(name for name in KINDS if name != "reposition")]
                kind = gr.Dropdown(kinds, value=NONE, label="perturbation")
                controls = [canvas, across, down, kind]
                groups, sliders = {}, {NONE: {}}
                for name in kinds[1:]:
                    with gr.Column(visible=False) as groups[name]:
                        gr.Markdown(inspect.getdoc(KINDS[name]).partition("\n")[0])
                        sliders[name] = {
                            strength: gr.Slider(
                                *span[:3], label=strength, step=1 if span.high > 100 else 0.01
                            )
                            for strength, span in ranges(name).items()
                        }
                    controls += sliders[name].values()

        settings = {digit, *controls}
        at_once = {
            "show_progress": "hidden",
            "trigger_mode": "always_last",
            "concurrency_id": "answers",  # one after another, so that the last asked is the last shown
            "api_visibility": "private",
        }
        pad.input(read, {pad, *settings}, [digit, result], **at_once)
        gr.on([control.change for control in controls], answer, settings, result, **at_once)
        canvas.change(activate_place, canvas, [across, down], **at_once)
        kind.change(show_sliders, kind, list(groups.values()), **at_once)
    return page


def main() -> None:
    parser = argparse.ArgumentParser("python app.py", description="Try your own digit in a browser.")
    parser.add_argument("--host", default="127.0.0.1", help="where to serve (default: this machine only)")
    parser.add_argument("--port", default=7860, type=int, help="port to serve at (default: 7860)")
    arguments = parser.parse_args()

    # Not `predict`, which prepares for many batches: for one image that takes a hundred times longer.
    network = load_network().predict_on_batch
    network(np.zeros((1, SIDE, SIDE), np.uint8))  # the first call compiles
    page = build_page(network)
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
