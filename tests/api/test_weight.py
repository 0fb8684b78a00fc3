"""The API process stays light."""

import subprocess
import sys
from pathlib import Path


def test_the_api_process_never_imports_what_runs_models_nor_scipy_stats(tmp_path: Path) -> None:
    program = (
        "import sys, soundproof.api.app, soundproof.cli; "
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'transformers', 'scipy.stats'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.strip() == "[]"
