"""What POST /verify takes beside the clip."""

from pydantic import BaseModel, ConfigDict, Field

from soundproof.api.fields import FRESH_RANGE, Flag
from soundproof.api.form import Document
from soundproof.verify.document import MOST_BYTES

CERTIFICATE = Document("certificate", MOST_BYTES)


class VerifyFields(BaseModel):
    """POST /verify."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: bytes = Field(
        max_length=MOST_BYTES, description="the certificate's JSON, as a file or as text, at most 1 MiB"
    )
    rerun: Flag = Field(True, description="draw all votes again, with the certificate's seed and plan")
    fresh_votes: int = Field(
        1000,
        ge=FRESH_RANGE[0],
        le=FRESH_RANGE[1],
        description="votes to draw with noise of another seed, to test the claim by itself; 0: none",
    )
