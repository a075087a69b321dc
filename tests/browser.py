"""Chromium without a network, and what it makes of a page when it is run as one command."""

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here; Debian: apt-get install chromium")

# In a container, and kept from asking its maker's servers anything of its own.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# Goes first into the page, and writes into it in the end what went wrong and what can be seen.
PROBE = """<script>
{
  const problems = [];
  addEventListener("error", event => problems.push(event.message || `cannot load ${event.target.src}`), true);
  addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
  console.error = (...words) => problems.push(words.join(" "));
  const look = () => {
    const plots = document.querySelectorAll("svg.marks:has(.role-mark path)").length;
    const pictures = [...document.images].map(image => ({alt: image.alt, width: image.naturalWidth}));
    const text = document.body.innerText;
    document.body.style.width = "360px";
    const fitsPhone = document.body.scrollWidth <= 360;
    document.documentElement.dataset.seen = JSON.stringify({problems, plots, pictures, text, fitsPhone});
  };
  addEventListener("load", () => setTimeout(look, 5000));
}
</script>"""


def look_at(page):
    """Show a page and return what its probe saw, and as `requests` every address that it asked a host for."""
    # Without the page's own rule against scripts, which would stop the probe as well.
    source = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    probed = page.with_name("probed.html")
    probed.write_text(source.replace("<head>", f"<head>{PROBE}", 1), encoding="utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder, "network.json")
        places = [f"--user-data-dir={folder}/profile", f"--log-net-log={log}"]
        command = [CHROMIUM, *FLAGS, *places, "--virtual-time-budget=20000", "--dump-dom", probed.as_uri()]
        try:
            browser = subprocess.run(command, capture_output=True, check=True, timeout=300)
        finally:
            probed.unlink()
        events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    [seen] = re.findall(r'data-seen="([^"]*)"', browser.stdout.decode())
    # "not an origin": what the browser asks for on its own account.
    asked = {event["url"] for event in events if event.get("initiator", "not an origin") != "not an origin"}
    requests = sorted(url for url in asked if not url.startswith(("file:", "data:", "blob:")))
    return json.loads(html.unescape(seen)) | {"requests": requests}
