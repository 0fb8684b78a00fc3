"""An image without Docker: each stage of a Dockerfile as an overlay over this machine's own system."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.docker import context
from tests.docker.dockerfile import Instruction, Stage, chain, pairs, substituted

# What this machine has in common with a base image. Other folders at the top are hidden.
SYSTEM = frozenset({"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr", "var"})
# The official Python image's own environment.
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
# The packages that it has.
BASE_PACKAGES = ("_distutils_hack", "distutils-precedence", "pip", "pkg_resources", "setuptools", "wheel")
# How a package registry is reached, as a build gets it by --build-arg.
PASSED_ON = ("PIP_", "SSL_", "HTTP_", "HTTPS_", "NO_PROXY")
# By the instruction, what is done to a root folder; the rest is read when a container starts.
LATER = frozenset({"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "USER", "VOLUME"})


class Image:
    """`folder`: where the overlays go. A stage that an earlier replay made there is used again as it is. `mirror`: a
    folder of this machine's that builds see too."""

    def __init__(self, folder: Path, stages: Mapping[str, Stage], mirror: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.stages = stages
        self.mirror = mirror
        self._mounted: set[str] = set()
        self._base = self._make_base()

    def build(self, name: str) -> Path:
        """The root folder of a stage, mounted; what it is made from is built before."""
        merged = self.folder / name / "merged"
        if name in self._mounted:
            return merged
        stage = self.stages[name]
        for other in (stage.base, *(part for each in stage.instructions for part in _sources(each))):
            if other in self.stages:
                self.build(other)
        self._mount(name)
        done = self.folder / name / "done"
        if not done.exists():
            folder = "/"
            for each in stage.instructions:
                print(f"[{name}] {each.keyword} {each.value}", flush=True)
                folder = each.value if each.keyword == "WORKDIR" else folder
                self._carry_out(each, merged, folder)
            done.touch()
        return merged

    def environment(self, name: str) -> dict[str, str]:
        """What ENV says in a stage and those below it."""
        values = dict(BASE_ENVIRONMENT)
        for each in self._all(name, "ENV"):
            values |= {key: substituted(value, values) for key, value in pairs(each).items()}
        return values

    def last(self, name: str, keyword: str) -> Instruction:
        """The one that counts, of a stage or those below it."""
        return self._all(name, keyword)[-1]

    def size_mib(self, name: str) -> int:
        """What a stage adds to the one below it."""
        told = do("du", "--summarize", "--block-size=1M", str(self.folder / name / "upper"))
        return int(told.split()[0])

    def _all(self, name: str, keyword: str) -> list[Instruction]:
        return [each for stage in chain(name, self.stages) for each in stage.instructions if each.keyword == keyword]

    def _make_base(self) -> Path:
        """This machine's system with Python where the official image has it, and nothing but the packages it has there.
        Mounted by itself: an overlay does not take two folders of which one is in the other."""
        upper, merged = self.folder / "image" / "upper", self.folder / "image" / "merged"
        merged.mkdir(parents=True, exist_ok=True)
        fresh = not upper.exists()
        if fresh:
            shutil.copytree(sys.base_prefix, upper / "usr" / "local", symlinks=True, ignore=_unwanted)
            for name in ("python", "python3"):
                link = upper / "usr" / "local" / "bin" / name
                link.unlink(missing_ok=True)
                link.symlink_to(f"python{sys.version_info.major}.{sys.version_info.minor}")
        _overlay(["/"], upper, self.folder / "image" / "work", merged)
        if fresh:
            do("chroot", str(merged), "ldconfig")  # Python's own library is found where it is now
        return merged

    def _mount(self, name: str) -> None:
        place = self.folder / name
        merged = place / "merged"
        merged.mkdir(parents=True, exist_ok=True)
        below = [self.folder / each.name / "upper" for each in chain(name, self.stages)[:-1]]
        _overlay([*reversed(below), self._base], place / "upper", place / "work", merged)
        for hidden in sorted({each.name for each in Path("/").iterdir() if each.is_dir()} - SYSTEM):
            if not (place / "upper" / hidden).exists():
                do("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(merged / hidden))
        if self.mirror:
            _inside(merged, str(self.mirror)).mkdir(parents=True, exist_ok=True)
            do("mount", "--bind", str(self.mirror), str(_inside(merged, str(self.mirror))))
        do("mount", "--rbind", "/dev", str(merged / "dev"))
        do("mount", "-t", "proc", "proc", str(merged / "proc"))
        self._mounted.add(name)

    def _carry_out(self, instruction: Instruction, merged: Path, folder: str) -> None:
        match instruction.keyword:
            case "RUN":
                self._run(instruction, merged, folder)
            case "COPY":
                self._copy(instruction, merged, folder)
            case "WORKDIR":
                _inside(merged, folder).mkdir(parents=True, exist_ok=True)
            case other:
                assert other in LATER, instruction

    def _run(self, instruction: Instruction, merged: Path, folder: str) -> None:
        """In the root folder, as root, with the mounts that it asks for."""
        mounts = [_options(value) for name, value in instruction.flags if name == "mount"]
        for mount in mounts:
            source = self.folder / "cache" if mount["type"] == "cache" else None
            source = source or _inside(self.build(mount["from"]), mount["source"])
            source.mkdir(exist_ok=True)
            target = _inside(merged, mount["target"])
            target.mkdir(parents=True, exist_ok=True)
            do("mount", "--bind", str(source), str(target))
        passed_on = {name: value for name, value in os.environ.items() if name.upper().startswith(PASSED_ON)}
        environment = BASE_ENVIRONMENT | {"HOME": "/root"} | passed_on
        do(*entering(merged, environment, folder), "/bin/sh", "-c", instruction.value, shown=True)
        for mount in mounts:
            do("umount", str(_inside(merged, mount["target"])))
            if mount["type"] == "bind":
                _inside(merged, mount["target"]).rmdir()

    def _copy(self, instruction: Instruction, merged: Path, folder: str) -> None:
        """Files into a folder, or a folder's content; owned by root, as Docker copies."""
        *sources, target = instruction.words
        place = _inside(merged, os.path.join(folder, target))  # noqa: PTH118  (an absolute target replaces the folder)
        if stage := instruction.flag("from"):
            [source] = sources
            place.mkdir(parents=True, exist_ok=True)
            do("cp", "--archive", f"{_inside(self.build(stage), source)}/.", str(place))
            return
        for file in context.files():
            for source in sources:
                if Path(source) == file:
                    to = place / file.name if target.endswith("/") else place
                elif Path(source) in file.parents:
                    to = place / file.relative_to(source)
                else:
                    continue
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, to)


def do(*command: str, shown: bool = False) -> str:
    """Standard output, unless it is `shown`; CalledProcessError where it fails."""
    done = subprocess.run(command, stdout=None if shown else subprocess.PIPE, text=True, check=True)
    return done.stdout or ""


def entering(root: Path, environment: Mapping[str, str], folder: str, *, user: str = "") -> list[str]:
    """What stands before a command to run it in a root folder, with just this environment, as root or as `UID:GID`
    without any capability and without a way to get one."""
    uid, _, gid = user.partition(":")
    nobody = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
    as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", *nobody] if user else []
    values = [f"{name}={value}" for name, value in environment.items()]
    return ["chroot", str(root), *as_user, "env", "--ignore-environment", f"--chdir={folder}", *values]


def _unwanted(folder: str, names: list[str]) -> Iterable[str]:
    if Path(folder).name != "site-packages":
        return {"test", "__pycache__"} & set(names)
    return [name for name in names if not name.startswith(BASE_PACKAGES)]


def _overlay(lower: list[Path | str], upper: Path, work: Path, merged: Path) -> None:
    """`lower`: what is seen through the upper folder, the topmost first."""
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    do("mount", "-t", "overlay", "overlay", "-o", options, str(merged))


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _options(mount: str) -> dict[str, str]:
    return dict(option.split("=", 1) for option in mount.split(","))


def _sources(instruction: Instruction) -> list[str]:
    """The stages that an instruction takes something from."""
    mounts = [_options(value).get("from", "") for name, value in instruction.flags if name == "mount"]
    return [name for name in (instruction.flag("from") or "", *mounts) if name]
