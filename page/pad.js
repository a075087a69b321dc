// Sends what was drawn, dropped or chosen: picture, a data URL, and label, which only an example has. Of a file that
// is too large, no more is sent than it takes to find that out. Gradio calls this with the pad as `element`, and with `props` and `trigger` to tell of a new value.
const [canvas, button, file] = ["canvas", ".clear", "input"].map(name => element.querySelector(name));
const pen = canvas.getContext("2d");
let sent = 0;

const send = (picture, label = null) => {
    sent = Date.now();
    props.value = picture && {picture, label};
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
    reader.readAsDataURL(picture.slice(0, props.max_bytes + 1));
    show(picture);
};

const show = async (picture, filter = "none") => {
    clear();
    const bitmap = await createImageBitmap(picture).catch(() => null);
    if (!bitmap) return;
    const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
    const [width, height] = [scale * bitmap.width, scale * bitmap.height];
    pen.filter = filter;
    pen.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    pen.filter = "none";
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
for (const example of element.querySelectorAll(".examples button")) {
    const picture = example.querySelector("img");
    example.onclick = () => { show(picture, "invert(1)"); send(picture.src, Number(example.dataset.label)); };
}
