"""The inner loop by itself, as the benchmark for GPUs runs it."""

import os
import subprocess
import sys

from tests.conftest import ROOT

WITHOUT = ("scipy", "pydantic", "safetensors", "fastapi", "soundfile", "httpx")


def test_the_gpu_benchmark_runs_on_a_cpu_without_the_services_libraries() -> None:
    """It is carried to machines that have torch, torchaudio and numpy only."""
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in WITHOUT)
    arguments = ["", "--device", "cpu", "--n", "40", "--chunks", "4,16", "--in-a-row", "1", "--repeats", "1"]
    run = "runpy.run_path('tests/bench/gpu.py', run_name='__main__')"
    code = f"import runpy, sys; {blocked}; sys.argv = {arguments!r}; {run}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "service"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| float32 |") == done.stdout.count("| bfloat16 |") == 2
    assert "of 40." in done.stdout
