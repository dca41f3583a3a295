"""One real browser: each lesson's widget in JupyterLab, driven by the keyboard.

Every lesson is opened as it is stored. Those in WHOLE then run from the first cell to the last; of
the others only the set-up, what NEEDS names, and the widget: nbval runs all their cells, and
one that fails or warns fails there. Screenshots are kept in artefacts/.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARTEFACTS = ROOT / "artefacts"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
# A busy machine makes these tests slow, never red: how fast a widget answers is printed.
LIMIT_MS = 120_000  # from a key to the new picture
RUN_MS = 600_000  # for all cells of a lesson

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# lesson: (index of the slider, a key, what the numbers say then, and after 20 times "left")
WIDGETS = {
    "01_events": (1, "ArrowRight", "T = 11 frames", "T = 1 frame of"),
    "02_spikes": (2, "End", "saturation", "I = 1.30"),
    "03_surrogates": (0, "ArrowRight", "k = 6.31,", "k = 0.0631,"),
    "04_zeroth_order": (0, "ArrowRight", "σ = 0.0398,", "σ = 0.000398,"),
    "05_localzo": (0, "End", "m = 20,", "m = 1,"),
    "06_evolution_strategies": (0, "ArrowRight", "σ = 0.0562,", "σ = 0.001,"),
    "07_eggroll": (0, "End", "r = 16,", "r = 1,"),
    "08_opzo": (0, "ArrowRight", "α = 0.316,", "α = 0.00316,"),
    "09_full_training": (0, "ArrowRight", "default = 4:", "default = 1/1024:"),
    "10_beyond": (0, "End", "κ = 0.032,", "κ = 0.0001,"),
    "11_other_senses": (0, "ArrowRight", "noise = 2,", "noise = 1,"),
}
#: lessons whose cells take seconds
WHOLE = ("01_events", "02_spikes")
#: what a widget needs beside the set-up: words of the cell
NEEDS = {"09_full_training": ("DATA = source()",)}


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A copy of the lessons beside the library, so that autosave cannot touch the stored ones."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for part in ("course_lib", "course_lab"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", folder / "data")
    # As the set-up does, so that compiling is no part of a widget's first use.
    subprocess.run([sys.executable, "-m", "course_lib.run.trial"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def jupyterlab(course, tmp_path_factory):
    """The address of a JupyterLab of its own, with nobody's settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = tmp_path_factory.mktemp("jupyter")
    environment = {k: v for k, v in os.environ.items() if k != "NMNIST_DIR"}
    environment |= {
        name: str(state / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
                     "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    }  # fmt: skip
    settings = state / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false"}', encoding="utf-8"
    )
    log = (state / "log").open("w", encoding="utf-8")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
         "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
         "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=",
         "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
        cwd=course, env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None:
                    break
                time.sleep(0.25)
        else:
            server.terminate()
        if server.poll() is not None:
            pytest.fail(
                "JupyterLab did not start:\n" + (state / "log").read_text(encoding="utf-8")[-2000:]
            )
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


@pytest.fixture(scope="module")
def browser(chromium):
    api = pytest.importorskip(
        "playwright.sync_api",
        reason="drives Chromium through playwright: pip install playwright",
    )
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


def wait_for_kernel(page) -> None:
    """Until the status bar names a kernel that waits. What is run before that is lost."""
    page.get_by_text(re.compile(r"Python 3.*\| Idle")).wait_for(timeout=RUN_MS)


def run_cell(page, text: str) -> None:
    cell = page.locator(".jp-CodeCell", has_text=text).first
    # a folded cell has no editor to click
    cell.locator(".jp-InputPrompt").first.click(timeout=RUN_MS)
    page.keyboard.press("Control+Enter")


def shown(page) -> tuple[str, str]:
    """Numbers and picture of the widget, as they stand on the page."""
    numbers = page.locator("p[role=status]").last.inner_text()
    return numbers, page.locator("img.widget-image").last.get_attribute("src")


def wait_for_change(page, before, expected: str) -> float:
    """Seconds until the picture has changed and the numbers say ``expected``.

    A slow widget says "computing" first, over a faded picture.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < LIMIT_MS / 1000:
        numbers, picture = shown(page)
        if expected in numbers and picture != before[1]:
            return time.perf_counter() - start
        page.wait_for_timeout(20)
    raise AssertionError(f"after {LIMIT_MS} ms the widget shows {shown(page)[0]!r}, not {expected}")


def try_every_control(page):
    """Move each control of the widget to another value, and each menu to each of its choices.

    Yields (the control's label and value, seconds until other numbers or another picture stood
    there). A menu may hide controls that its choice does not have; then it is put back.
    """
    box = page.locator(".jp-OutputArea-output", has=page.locator("p[role=status]")).last

    def moved(label: str, move) -> tuple[str, float]:
        before, start = shown(page), time.perf_counter()
        move()
        while time.perf_counter() - start < LIMIT_MS / 1000:
            numbers, picture = shown(page)
            if "computing" not in numbers and (numbers, picture) != before:
                return label, time.perf_counter() - start
            page.wait_for_timeout(20)
        raise AssertionError(f"{label}: nothing has changed after {LIMIT_MS} ms")

    for row in box.locator(".widget-hslider:visible").all():
        label, handle = row.locator("label").inner_text(), row.locator(".noUi-handle")
        at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        handle.focus()
        yield moved(label, lambda h=handle, e=at_end: h.press("Home" if e else "ArrowRight"))
    for row in box.locator(".widget-dropdown:visible").all():
        label, menu = row.locator("label").inner_text(), row.locator("select")
        names = menu.locator("option").all_inner_texts()
        first = menu.evaluate("menu => menu.selectedIndex")
        others = [k for k in range(len(names)) if k != first]
        for index in [*others, first] if others else []:
            yield moved(f"{label} {names[index]}", lambda m=menu, k=index: m.select_option(index=k))
    for row in box.locator(".widget-checkbox:visible").all():
        yield moved(row.inner_text(), row.locator("input").click)


@pytest.mark.parametrize("lesson", WIDGETS)
def test_widget_answers_to_the_keyboard(course, jupyterlab, browser, lesson):
    ARTEFACTS.mkdir(exist_ok=True)
    slider, key, expected, settled = WIDGETS[lesson]
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    # A workspace of its own: another would open the lessons before it, too, with their widgets.
    page.goto(f"{jupyterlab}/lab/workspaces/{lesson}/tree/notebooks/{lesson}.ipynb")
    wait_for_kernel(page)
    # A stored lesson shows all its pictures, the widget's too, before anything has run.
    stored = len(
        re.findall(
            '"image/png": "', (course / f"notebooks/{lesson}.ipynb").read_text(encoding="utf-8")
        )
    )
    page.wait_for_function(
        f"() => document.querySelectorAll('.jp-OutputArea img').length >= {stored}", timeout=60_000
    )
    page.screenshot(path=ARTEFACTS / f"{lesson}_opened.png")

    if lesson in WHOLE:
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
    else:
        cells = json.loads((course / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
        (widget,) = (cell for cell in cells["cells"] if cell["id"] == "widget")
        needed = NEEDS.get(lesson, ())
        for words in ("#@title Set-up", *needed, widget["source"][0].strip()):
            run_cell(page, words)
    page.wait_for_selector(".widget-slider", timeout=RUN_MS, state="attached")
    page.wait_for_function(
        "() => ![...document.querySelectorAll('.jp-InputPrompt')]"
        ".some(prompt => prompt.textContent.includes('*'))",
        timeout=RUN_MS,
    )
    page.locator(".widget-slider").first.scroll_into_view_if_needed()
    page.wait_for_selector("img.widget-image", timeout=10_000)
    page.wait_for_timeout(500)
    page.screenshot(path=ARTEFACTS / f"{lesson}_widget.png")

    before = shown(page)
    handle = page.locator(".widget-slider .noUi-handle").nth(slider)
    handle.focus()
    handle.press(key)
    seconds = wait_for_change(page, before, expected)
    page.screenshot(path=ARTEFACTS / f"{lesson}_moved.png")
    print(f"{lesson}: answered after {seconds:.2f} s")

    # A key held down: the last position comes, whatever was drawn on the way to it.
    for _ in range(20):
        handle.press("ArrowLeft")
    start = time.perf_counter()
    while settled not in shown(page)[0]:
        assert time.perf_counter() - start < LIMIT_MS / 1000, f"still {shown(page)[0]!r}"
        page.wait_for_timeout(20)
    for name, took in try_every_control(page):
        print(f"{lesson}: {name} answered after {took:.2f} s")
    page.screenshot(path=ARTEFACTS / f"{lesson}_tried.png")
    # What was run has run by now; none failed or warned.
    stderr = "[data-mime-type='application/vnd.jupyter.stderr']"
    assert page.locator(stderr).count() == 0, page.locator(stderr).first.inner_text()
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.get_by_text("Error displaying widget").count() == 0
    assert errors == []
    page.close()
    stop_kernels(jupyterlab)


def test_the_start_trains_while_one_watches(course, jupyterlab, browser):
    ARTEFACTS.mkdir(exist_ok=True)
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{jupyterlab}/lab/workspaces/start/tree/notebooks/00_start.ipynb")
    wait_for_kernel(page)
    for first_line in ("#@title Set-up", "first = FirstNetwork()"):
        run_cell(page, first_line)
    page.wait_for_selector("canvas", timeout=RUN_MS, state="attached")
    page.screenshot(path=ARTEFACTS / "00_start_plays.png")
    run_cell(page, "live = LiveTraining")
    page.get_by_role("button", name="Train without gradients").click(timeout=RUN_MS)
    page.get_by_text("step 50 of 800").wait_for(timeout=RUN_MS)
    page.screenshot(path=ARTEFACTS / "00_start_trains.png")
    assert errors == []
    page.close()
    stop_kernels(jupyterlab)


def stop_kernels(address: str) -> None:
    """A lesson's kernel keeps its data until it is told to go."""
    with urllib.request.urlopen(f"{address}/api/kernels") as reply:
        kernels = json.load(reply)
    for kernel in kernels:
        request = urllib.request.Request(f"{address}/api/kernels/{kernel['id']}", method="DELETE")
        urllib.request.urlopen(request).close()
