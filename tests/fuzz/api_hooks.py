"""What schemathesis sends where the description says only "binary": clips, archives, certificates, sound and hostile.

With FUZZ_GOOD_CLIPS set, a clip that can be certified, and nothing else.
"""

import os
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from tests.api.attack import GOOD
from tests.fuzz.target import CORPUS

_files = sorted(path for name in ("wav", "certificate", "manifest", "archives") for path in (CORPUS / name).iterdir())
_hostile = st.sampled_from(_files).map(Path.read_bytes) | st.binary(max_size=200)

schemathesis.openapi.format(
    "binary", st.just(GOOD) | (_hostile if not os.environ.get("FUZZ_GOOD_CLIPS") else st.nothing())
)
