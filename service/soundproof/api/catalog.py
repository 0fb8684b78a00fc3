"""The model folders this service was given: which it serves, which it refuses and why."""

import logging
from dataclasses import dataclass
from pathlib import Path

from soundproof.errors import ModelRefused, ModelUnavailable, UnknownModel
from soundproof.nets.manifest import MANIFEST, ModelManifest, read_manifest

log = logging.getLogger("soundproof.api")


@dataclass(frozen=True)
class Catalog:
    """`manifests` and `folders` by model name; `refused`: folder name -> reason; `default`: a name."""

    manifests: dict[str, ModelManifest]
    folders: dict[str, Path]
    refused: dict[str, str]
    default: str

    @classmethod
    def read(cls, models: Path, default: str = "") -> "Catalog":
        """Every sub-folder of `models` with a model.json.

        Raises ModelRefused when none can be served, with the reasons, and UnknownModel for a default that is not there.
        """
        manifests: dict[str, ModelManifest] = {}
        folders: dict[str, Path] = {}
        refused: dict[str, str] = {}
        for folder in sorted(path.parent for path in models.glob(f"*/{MANIFEST}")):
            try:
                manifest = read_manifest(folder)
                if manifest.name in manifests:
                    raise ModelRefused(f"{folder}: {folders[manifest.name]} is named {manifest.name!r} too.")
            except ModelRefused as error:
                log.error("%s", error)  # noqa: TRY400  (its message says it all)
                refused[folder.name] = str(error)
                continue
            manifests[manifest.name], folders[manifest.name] = manifest, folder
        if not manifests:
            reasons = " ".join(refused.values()) or f"No folder in {models} has a {MANIFEST}."
            raise ModelRefused(f"There is no model to serve. {reasons}", "Set SOUNDPROOF_MODELS to a folder of models.")
        if default and default not in manifests:
            raise UnknownModel(f"The default model {default!r} is not among {', '.join(manifests)}.")
        return cls(manifests, folders, refused, default or next(iter(manifests)))

    def get(self, name: str | None) -> ModelManifest:
        """The manifest of a model by name (None: the default). UnknownModel lists the names there are."""
        wanted = name or self.default
        if wanted in self.manifests:
            return self.manifests[wanted]
        if wanted in self.refused:
            raise ModelUnavailable(f"Model {wanted!r} was refused at load: {self.refused[wanted]}")
        raise UnknownModel(f"There is no model {wanted!r}.", f"Models: {', '.join(self.manifests)}.")
