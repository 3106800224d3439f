"""The wheel alone: built, put into an environment of its own, far from the checkout, and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shadowlab.guest.cache import cache_folder

ROOT = Path(__file__).parents[2]


def _do(*argv: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, argv)),
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), (
        done.stdout + done.stderr
    )  # 1: the demo's service levels are broken, as they should
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _do(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_gallery_the_page_and_what_the_kernel_is_built_from(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    for wanted in ("gallery/abilene-incident.yaml", "gallery/abilene/before.ss", "guest/kernel.config", "py.typed"):
        assert f"shadowlab/{wanted}" in names
    for wanted in (
        "index.html",
        "js/main.js",
        "css/theme.css",
        "vendor/cytoscape.js",
        "vendor/uplot.js",
        "vendor/LICENSES",
    ):
        assert f"shadowlab/serve/page/{wanted}" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "scripts"))]


@pytest.mark.slow
@pytest.mark.guest
def test_an_installed_wheel_tells_of_the_machine_and_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    _do(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    _do(python, "-m", "pip", "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    own = Path(_do(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    theirs = Path(_do(sys.executable, "-c", "import numpy; print(numpy.__path__[0])", cwd=tmp_path).strip()).parent
    (own / "dependencies.pth").write_text(f"{theirs}\n")  # after its own packages: ShadowLab is the wheel's
    program = tmp_path / "env" / "bin" / "shadowlab"
    where = _do(python, "-c", "import shadowlab; print(shadowlab.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path))

    cache = {"SHADOWLAB_CACHE": str(cache_folder())}
    assert "abilene-incident" in json.loads(_do(program, "demo", "--list", "--json", cwd=tmp_path, **cache))
    assert json.loads(_do(program, "doctor", "--json", cwd=tmp_path, **cache))
    told = json.loads(_do(program, "demo", "--json", cwd=tmp_path, **cache))
    assert told["expectations"] == {"the best cure is reroute": True, "the fault domain is kan-ind": True}
    assert (tmp_path / "runs" / "abilene-incident-1" / "report" / "report.html").is_file()
