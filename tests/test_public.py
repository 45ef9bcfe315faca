"""The names that `gonkit` itself offers."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import gonkit

PACKAGES = sorted(module.name for module in pkgutil.iter_modules(gonkit.__path__) if module.ispkg)


def test_every_public_name_resolves() -> None:
    for name in gonkit.__all__:
        assert getattr(gonkit, name) is not None
        assert name in dir(gonkit)
    assert gonkit.Batch is importlib.import_module("gonkit.batch").Batch
    assert gonkit.Signal is importlib.import_module("gonkit.data").Signal
    assert gonkit.train is importlib.import_module("gonkit.pipeline").train


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gonkit' has no attribute 'sampel'"):
        getattr(gonkit, "sampel")  # noqa: B009


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_lists_its_names(package: str) -> None:
    module = importlib.import_module(f"gonkit.{package}")
    assert module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a process has imported after a statement."""
    script = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.slow
def test_torch_is_imported_when_it_is_first_needed() -> None:
    imported = modules_after("import gonkit; gonkit.__all__; dir(gonkit); gonkit.__version__")
    assert "gonkit" in imported
    assert not imported & {"torch", "numpy", "pydantic", "matplotlib", "PIL", "signals"}
    assert "torch" in modules_after("import gonkit; gonkit.Batch")


@pytest.mark.slow
def test_matplotlib_is_imported_by_the_first_chart() -> None:
    assert "matplotlib" not in modules_after("import gonkit.training, gonkit.plotting, signals.image")
