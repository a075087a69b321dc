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
from typing import Any

import gradio as gr
import numpy as np
from annotated_types import Ge, Le
from gradio.components import Component
from PIL import Image

from stages.predict import MAX_BYTES, PictureError, read_digit
from stages.shared.network import load_network
from stages.shared.perturbations import KINDS, SIDE, perturb, place
from stages.shared.stage import StageError, run

NONE = "none"  # the kind of perturbation that is none
SEED = 42  # the same for every answer, so that the image does not jump while a slider moves

Network = Callable[[np.ndarray], np.ndarray]

# The drawing pad. Gradio's own needs WebGL and writes every stroke to disk. This one sends what was drawn or
# dropped as a data URL; of a file that is too large, no more than it takes to find that out.
PAD = """
<canvas width="280" height="280" role="img" aria-label="drawing pad"></canvas>
<button type="button">Clear</button>
<label>Open a picture<input type="file" accept="image/*"></label>
"""
PAD_CSS = """
canvas { width: 100%; aspect-ratio: 1; border: 1px solid var(--border-color-primary); border-radius: 8px;
         cursor: crosshair; touch-action: none }
button, label { display: inline-block; margin: 8px 8px 0 0; padding: 6px 14px; border-radius: 8px;
                background: var(--button-secondary-background-fill); color: var(--body-text-color);
                font: inherit; cursor: pointer }
label:focus-within { outline: 2px solid var(--color-accent) }
input { position: absolute; width: 0; opacity: 0 }
"""
PAD_JS = """
const [canvas, button, file] = ["canvas", "button", "input"].map(name => element.querySelector(name));
const pen = canvas.getContext("2d");
let sent = 0;

const send = picture => {
    sent = Date.now();
    props.value = picture;
    trigger("input");
};

const clear = () => {
    pen.fillStyle = "white";
    pen.fillRect(0, 0, canvas.width, canvas.height);
};

const draw = event => {
    const [x, y] = [event.offsetX, event.offsetY].map(length => length * canvas.width / canvas.clientWidth);
    if (event.type === "pointerdown") pen.beginPath();
    pen.lineTo(x, y);
    pen.lineTo(x, y + 0.1); // so that a dot, too, has a length
    pen.stroke();
    if (Date.now() > sent + 100) send(canvas.toDataURL());
};

const open = async picture => {
    const reader = new FileReader();
    reader.onload = () => send(reader.result);
    reader.readAsDataURL(picture.slice(0, MAX_BYTES + 1));
    clear();
    const bitmap = await createImageBitmap(picture).catch(() => null);
    if (!bitmap) return;
    const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
    const [width, height] = [scale * bitmap.width, scale * bitmap.height];
    pen.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
};

pen.lineWidth = 22;
pen.lineCap = pen.lineJoin = "round";
clear();
canvas.onpointerdown = event => event.button || (canvas.setPointerCapture(event.pointerId), draw(event));
canvas.onpointermove = event => event.buttons & 1 && draw(event);
canvas.onpointerup = () => send(canvas.toDataURL());
canvas.ondragover = event => event.preventDefault();
canvas.ondrop = event => { event.preventDefault(); [...event.dataTransfer.files].slice(0, 1).forEach(open); };
file.onchange = () => { open(file.files[0]); file.value = ""; };
button.onclick = () => { clear(); send(null); };
""".replace("MAX_BYTES", str(MAX_BYTES))

ANSWER = """
<figure>
    <img src="${value.image}" alt="the network's input">
    <figcaption>What the network gets: 28 x 28 pixels</figcaption>
</figure>
<section>
    <h2>${value.label === null ? "Draw a digit" : `This is a ${value.label}`}</h2>
    <ol>${value.percent.map((percent, digit) => `
        <li ${digit === value.label ? 'class="best"' : ""}>
            ${digit} <div><i style="width: ${percent}%"></i></div> <span>${percent.toFixed(1)} %</span>
        </li>`).join("")}
    </ol>
</section>
"""
ANSWER_CSS = """
display: flex; flex-wrap: wrap; gap: 16px;
figure { flex: 3 1 100px; margin: 0 }
img { width: 100%; border-radius: 8px; image-rendering: pixelated }
figcaption { margin-top: 8px }
section { flex: 4 1 180px }
h2 { margin: 0 0 8px; font-size: 1.3rem }
ol { margin: 0; padding: 0; list-style: none }
li { display: grid; grid-template-columns: 1em 1fr 4.5em; gap: 8px; align-items: center; margin: 0;
     font-variant-numeric: tabular-nums }
li div { height: 14px; border-radius: 3px; background: var(--border-color-primary) }
li i { display: block; height: 100%; border-radius: 3px; background: var(--body-text-color-subdued) }
li span { text-align: right; white-space: nowrap }
li.best { font-weight: bold }
li.best i { background: var(--color-accent) }
"""


def strengths_of(kind: str) -> dict[str, tuple[float, float, float]]:
    """Each strength of a kind of perturbation: its least and greatest value and its default."""
    strengths = {}
    for name, parameter in list(inspect.signature(KINDS[kind]).parameters.items())[2:]:
        [field] = parameter.annotation.__metadata__
        [low] = [limit.ge for limit in field.metadata if isinstance(limit, Ge)]
        [high] = [limit.le for limit in field.metadata if isinstance(limit, Le)]
        strengths[name] = low, high, parameter.default
    return strengths


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


def build_page(network: Network) -> gr.Blocks:
    """Lay out the page and connect its parts. network: uint8 (n, 28, 28) to probabilities (n, 10)."""

    def answer(values: dict[Component, Any]) -> dict[str, Any]:
        """What ANSWER shows, given the values of `settings`."""
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
                values[digit] = read_digit(base64.b64decode(values[pad].partition(",")[2]))
            except (PictureError, binascii.Error) as reason:
                gr.Warning(f"This picture cannot be used: {reason}.")
        return values[digit], answer(values)

    def show_sliders(chosen: str) -> list[gr.Column]:
        return [gr.Column(visible=name == chosen) for name in groups]

    with gr.Blocks(title="Try your own digit", analytics_enabled=False) as page:
        gr.Markdown("# Try your own digit\nDraw it, or drop a picture of it on the pad. Then make it harder.")
        digit = gr.State()
        with gr.Row():
            with gr.Column(min_width=280):
                pad = gr.HTML(html_template=PAD, css_template=PAD_CSS, js_on_load=PAD_JS, elem_id="pad")
            with gr.Column(scale=2, min_width=280):
                result = gr.HTML(NO_ANSWER, html_template=ANSWER, css_template=ANSWER_CSS, elem_id="answer")
        with gr.Row():
            with gr.Column(min_width=280):
                smallest, largest, _ = strengths_of("reposition")["canvas"]
                canvas = gr.Slider(
                    smallest, largest, smallest, step=1, label="canvas", info="Larger, it shrinks the digit."
                )
                across = gr.Slider(0, 1, 0.5, step=0.01, label="across", info="From left to right.")
                down = gr.Slider(0, 1, 0.5, step=0.01, label="down", info="From top to bottom.")
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
                            strength: gr.Slider(*limits, step=1 if limits[1] > 100 else 0.01, label=strength)
                            for strength, limits in strengths_of(name).items()
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
        kind.change(show_sliders, kind, list(groups.values()), **at_once)
    return page


def main() -> None:
    parser = argparse.ArgumentParser("python app.py", description="Try your own digit in a browser.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve at (default: this machine only)"
    )
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
        raise StageError(f"cannot serve at {arguments.host}:{arguments.port}; try another --port") from None
    print(f"Open {address} in a browser. Ctrl+C ends it.", flush=True)
    page.block_thread()


if __name__ == "__main__":
    run(main)
