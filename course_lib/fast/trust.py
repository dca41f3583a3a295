"""Whether this machine may run the compiled kernels. The answer is asked for before any of them is
imported, once a process; where it is no, plain torch does the same, and one line says so.

The kernels contain instructions for LLVM that are written by hand (``kernels/vectors.py``). An
LLVM that does not know one of them ends the whole process, with no exception for Python to catch.
So they run without further questions only where their tests have passed: PROVEN. Elsewhere, on a
newer Numba, say, they are first tried out in a child process (``trial.py``). It may die; its
verdict is kept beside Numba's compilations, which the parent then finds there.

The environment variable COURSE_KERNELS decides beforehand: ``off`` for plain torch, ``on`` to ask
no questions.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

#: Numba's minor versions and the processors on which the kernels' tests passed. (What LLVM makes of
#: vectors depends on the processor's kind, not on its model.) To add one: COURSE_KERNELS=on, run
#: tests/test_kernels.py and tests/test_population.py; NUMBA_CPU_NAME and NUMBA_CPU_FEATURES make a
#: new processor work like an older one.
PROVEN = {
    **dict.fromkeys(("0.61", "0.62", "0.63", "0.64", "0.65", "0.66", "0.67"), ("AVX-512",)),
    "0.60": ("AVX-512", "AVX-512F", "AVX2"),
    "0.68": ("AVX-512", "AVX2"),
}
#: seconds that a child may take: compiling takes about twenty, on a busy machine a few times that
PATIENCE = 600
CHILD = "from course_lib.run.trial import try_kernels; try_kernels()"


def processor(features: dict[str, bool] | None = None) -> str:
    """The kind of processor that Numba compiles for."""
    features = features or host_features()
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return platform.machine()
    for name, needed in (("AVX-512", "avx512vbmi2"), ("AVX-512F", "avx512f"), ("AVX2", "avx2")):
        if features.get(needed):
            return name
    return "x86-64"


def host_features() -> dict[str, bool]:
    """Of the processor that Numba compiles for: NUMBA_CPU_FEATURES, or else this machine's."""
    import numba
    from llvmlite import binding

    if numba.config.CPU_FEATURES is None:
        return dict(binding.get_host_cpu_features())
    return {name[1:]: name[0] == "+" for name in numba.config.CPU_FEATURES.split(",") if name}


@cache
def why_not() -> str:
    """What keeps the compiled kernels from this machine, said once; empty if nothing does."""
    obstacle = _obstacle()
    if obstacle:
        print(f"Plain torch does the work of the compiled kernels, slower: {obstacle}",
              file=sys.stderr)  # fmt: skip
    return obstacle


def _obstacle() -> str:
    wish = os.environ.get("COURSE_KERNELS", "")
    if wish not in ("", "on", "off"):
        raise ValueError(f"COURSE_KERNELS is {wish!r}; expected on or off, or no such variable")
    if wish:
        return "COURSE_KERNELS is off" if wish == "off" else ""
    try:
        kind, numba = processor(), version("numba")
    except Exception as error:  # whatever a broken installation raises
        return f"Numba cannot be used here ({type(error).__name__}: {error})"
    if kind in PROVEN.get(".".join(numba.split(".")[:2]), ()):
        return ""
    return _verdict(f"Numba {numba} on {kind}")


def _verdict(where: str) -> str:
    """``why_not`` of a child that tries the kernels out, now or at an earlier start."""
    from course_lib.compiling import cache_folder
    from course_lib.fast.kernels import nothing

    folder = cache_folder(nothing)
    name = json.dumps([where, version("llvmlite"), version("numpy"), sys.version, _sources()])
    note = folder and folder / f"trust-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        return json.loads(note.read_text(encoding="utf-8"))["why not"]
    print(f"Trying the compiled kernels out ({where}), once: about half a minute …",
          file=sys.stderr)  # fmt: skip
    paths = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    settings = {"COURSE_KERNELS": "on", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        child = subprocess.run(
            [sys.executable, "-c", CHILD], env={**os.environ, **settings}, capture_output=True,
            stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the kernels could not be tried out: {error}"
    said = (child.stderr.strip().splitlines() or ["no word"])[-1]
    obstacle = f"they failed with {where}: {said}" if child.returncode else ""
    if child.returncode != -9:  # killed from outside, for want of memory, say
        with suppress(OSError, AttributeError):  # not written, it is asked again at the next start
            note.write_text(json.dumps({"where": where, "why not": obstacle}), encoding="utf-8")
    return obstacle


def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("**/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
