"""Models and runs that someone else made: which code they may run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gonkit
from gonkit.cli import main
from gonkit.errors import GonkitError
from gonkit.files import read_tensors
from gonkit.imports import import_class
from gonkit.recipe import parse_recipe, read_recipe, trusting_code
from signals.image import Image
from tests.conftest import COLORIZE, IMAGES, RECIPE, changed_recipe
from tests.data.fields import Field
from tests.inference.test_model_file import rewritten

Trained = Callable[[str], Path]

TRAP = "from pathlib import Path\n\nPath(__file__).with_suffix('.ran').touch()\n"
MINE = "from tests.data.fields import Field\n\n\nclass Mine(Field):\n    scale: float = {scale}\n"
SMALL = {"field": {"width": 16, "layers": 2}, "latent": {"dim": 4}, "train": {"steps": 2, "compile": False}}


def forget_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process, users' files are not in memory."""
    for name in [name for name in sys.modules if name.startswith(("gonkit_user_", "gonkit_trap"))]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package and a file that leave a trace when they are run, from where both are found."""
    folder = tmp_path / "trap"
    for name in ("gonkit_trap/__init__.py", "gonkit_trap/inner.py", "notes.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(TRAP)
    monkeypatch.syspath_prepend(folder)
    forget_modules(monkeypatch)
    monkeypatch.chdir(folder)
    return folder


def traces(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.ran"))


PLACES = {  # key → text of a recipe that names code there
    "signal.type": lambda name: RECIPE.replace("signals.image:Image", name),
    "signal.source.type": lambda name: changed_recipe((IMAGES, COLORIZE.replace("[signal.source]", "[signal.source.x]")
                                                       + f'[signal.source]\ntype = "{name}"\n')),
    "loss.inner": lambda name: f'loss.inner = "{name}"\n{RECIPE}',
    "loss.outer": lambda name: f'loss.outer."{name}" = 1.0\n{RECIPE}',
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "what", "ran"),
    [
        ("notes.py:X", "the file {folder}/notes.py", ["notes.ran"]),
        ("{folder}/notes.py:X", "the file {folder}/notes.py", ["notes.ran"]),
        (
            "gonkit_trap.inner:X",
            "the module gonkit_trap.inner",
            ["gonkit_trap/__init__.ran", "gonkit_trap/inner.ran"],
        ),
        ("signals.__main__:X", "the module signals.__main__", []),
    ],
)
def test_code_of_someone_else_is_named_and_not_run(
    trap: Path, place: str, name: str, what: str, ran: list[str]
) -> None:
    text = PLACES[place](name.format(folder=trap))
    with pytest.raises(GonkitError) as caught:
        parse_recipe(text, source="theirs", folder=trap, stored=True)
    assert str(caught.value) == (
        "theirs: opening this would run code that no run of yours has used, and code may do anything\n"
        f"  {place}: {what.format(folder=trap)}\n"
        "read it first; if you trust it, allow it with --trust-code, or trust_code=True in gonkit.load"
    )
    assert not traces(trap)
    with pytest.raises(GonkitError, match=r"has no 'X'|there is no module"):  # the user's own recipe is run
        parse_recipe(text, folder=trap)
    assert traces(trap) == ran


@pytest.mark.parametrize(
    "text",
    [
        'signal = "notes.py:X"',
        'signal = ["notes.py:X"]',
        'signal.type = ["notes.py:X"]',
        'signal.type = "notes.py"',
        'loss = "notes.py:X"\nsignal.type = "signals.image:Image"',
        'loss.outer = ["notes.py:X"]\nsignal.type = "signals.image:Image"',
    ],
)
def test_code_in_places_where_none_belongs_is_not_run_either(trap: Path, text: str) -> None:
    with pytest.raises(GonkitError):
        parse_recipe(text, folder=trap, stored=True)
    with pytest.raises(GonkitError):
        parse_recipe(text, folder=trap)
    assert not traces(trap)


def test_built_in_types_and_losses_need_no_trust() -> None:
    assert parse_recipe(changed_recipe((IMAGES, COLORIZE)), stored=True).signal.conditioning_channels
    assert parse_recipe(f"loss.outer = {{ huber = 1.0 }}\n{RECIPE}", stored=True).objective.outer.keys() == {"huber"}


def test_a_package_that_registers_signal_types_is_imported(trap: Path) -> None:
    text = RECIPE.replace("signals.image:Image", "gonkit_trap.inner:X")
    with pytest.raises(GonkitError, match=r"the module gonkit_trap\.inner"):
        parse_recipe(text, stored=True)
    info = trap / "gonkit_trap-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gonkit_trap\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gonkit.signals]\nmine = gonkit_trap:Mine\n")
    with pytest.raises(GonkitError, match=r"the module gonkit_trap\.__main__"):
        parse_recipe(text.replace("inner", "__main__"), stored=True)
    assert not traces(trap)
    with pytest.raises(GonkitError, match=r"gonkit_trap\.inner has no 'X'"):
        parse_recipe(text, stored=True)
    assert traces(trap) == ["gonkit_trap/__init__.ran", "gonkit_trap/inner.ran"]


def test_a_model_file_s_code_is_not_run_when_it_is_opened(trained: Trained, trap: Path) -> None:
    _, metadata = read_tensors(trained("plain") / "model.safetensors")
    text = metadata["recipe"].replace("[loss.anneal]", '[loss]\ninner = "notes.py:X"\n[loss.anneal]')
    path = rewritten(trained("plain"), trap / "model.safetensors", recipe=text)
    for signal in (None, Image, "signals.image:Image", Image(size=8)):  # which are trusted, and the loss is not
        with pytest.raises(GonkitError, match=r"(?s)model.safetensors: opening this would run code .*loss.inner"):
            gonkit.load(path, signal=signal)
    assert not traces(trap)
    with pytest.raises(GonkitError, match=r"notes\.py has no 'X'"):
        gonkit.load(path, trust_code=True)
    assert traces(trap) == ["notes.ran"]


def test_a_class_that_the_user_gives_is_trusted_in_the_place_of_the_model_s(trained: Trained, trap: Path) -> None:
    _, metadata = read_tensors(trained("plain") / "model.safetensors")
    text = metadata["recipe"].replace("signals.image:Image", "gonkit_trap.inner:X")
    path = rewritten(trained("plain"), trap / "model.safetensors", recipe=text)
    with pytest.raises(GonkitError, match=r"signal\.type: the module gonkit_trap\.inner"):
        gonkit.load(path)
    (trap / "mine.py").write_text("from signals.image import Image\n\n\nclass Mine(Image):\n    pass\n")
    assert type(gonkit.load(path, signal="mine.py:Mine").task).__name__ == "Mine"
    assert main(["sample", str(path), "--signal", "mine.py:Mine", "--count", "1"]) == 0
    assert not traces(trap)


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run of another user, with a type of their own, which was sent here with its file."""
    project, run = tmp_path / "theirs", tmp_path / "theirs" / "runs" / "x" / "0001"
    project.mkdir()
    (project / "mine.py").write_text(MINE.format(scale=1.0))
    gonkit.train({"name": "x", "signal": {"type": f"{project / 'mine.py'}:Mine"}, **SMALL}, out=run, quiet=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    project.rename(tmp_path / "received")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "received" / "runs" / "x" / "0001"


COMMANDS = {
    "sample": ["sample", "RUN", "--count", "1"],
    "evaluate": ["evaluate", "RUN"],
    "latents": ["latents", "RUN"],
    "bench objects": ["bench", "objects", "RUN", "--rounds", "1"],
    "figure": ["figure", "3", "--run", "RUN"],
    "resume": ["run", "--resume", "RUN", "--quiet"],
    "finish": ["finish", "RUN"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_their_code_unless_it_is_trusted(
    theirs: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    arguments = [str(theirs) if word == "RUN" else word for word in COMMANDS[command]]
    mine = theirs.parents[2] / "mine.py"
    assert main(arguments) == 2
    assert f"\n  signal.type: the file {mine}\nread it first" in capsys.readouterr().err
    assert main([*arguments, "--trust-code"]) == 0


def test_weights_are_not_taken_from_a_model_whose_code_is_not_trusted(theirs: Path) -> None:
    recipe = {"name": "x", "signal": Field(), **SMALL}
    recipe["train"] = SMALL["train"] | {"init_from": str(theirs)}
    with pytest.raises(GonkitError, match="opening this would run code that no run of yours has used"):
        gonkit.train(recipe, quiet=True)
    with trusting_code(), trusting_code(False):
        gonkit.train(recipe, quiet=True)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of the user's own, in a new process."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE.format(scale=1.0))
    Path("x.toml").write_text(
        'name = "x"\nsignal.type = "mine.py:Mine"\ntrain.steps = 2\ntrain.compile = false\nfield.width = 16\n'
    )
    assert main(["run", "x.toml", "--quiet", "--out", "run", "--stop-after", "1"]) == 3
    forget_modules(monkeypatch)
    return tmp_path / "run"


def test_a_run_of_one_s_own_stays_so_after_its_type_is_edited(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_text(MINE.format(scale=2.0))
    assert main(["run", "--resume", "run", "--quiet"]) == 0
    forget_modules(monkeypatch)
    Path("mine.py").write_text(MINE.format(scale=3.0))
    assert gonkit.load("run").task.scale == 1.0  # a setting of the run
    assert import_class("mine.py:Mine", Field)().scale == 3.0  # type: ignore[attr-defined]


def test_files_elsewhere_are_trusted_by_their_content(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("there").mkdir()
    Path("mine.py").rename("there/mine.py")
    own.rename("there/run")
    assert read_recipe("there/run/recipe.toml", stored=True).signal.type.startswith(str(Path("there").resolve()))
    forget_modules(monkeypatch)
    Path("there/mine.py").write_text(MINE.format(scale=2.0))  # sent with the same recipe
    with pytest.raises(GonkitError, match=r"signal\.type: the file .*there/mine\.py"):
        read_recipe("there/run/recipe.toml", stored=True)


def test_another_recipe_does_not_run_a_file_of_one_s_own_that_was_edited(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (own / "recipe.toml").read_text().replace('name = "x"', 'name = "y"')
    assert parse_recipe(other, stored=True).name == "y"  # that file was run by the user
    forget_modules(monkeypatch)
    Path("mine.py").write_text(TRAP)
    with pytest.raises(GonkitError, match=r"signal\.type: the file .*mine\.py"):
        parse_recipe(other.replace('name = "y"', 'name = "z"'), stored=True)


def test_where_nothing_can_be_kept_in_mind_a_run_is_opened_like_someone_else_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE.format(scale=1.0))
    gonkit.train({"name": "x", "signal": {"type": "mine.py:Mine"}, **SMALL}, out="run", quiet=True)
    forget_modules(monkeypatch)
    assert main(["sample", "run", "--count", "1"]) == 2
    assert "signal.type: the file" in capsys.readouterr().err
    assert main(["sample", "run", "--count", "1", "--trust-code"]) == 0
