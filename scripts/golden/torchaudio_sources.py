"""torchaudio's pure Python parts without its compiled ones.

torchaudio 2.11, the last one, was built for an older torch than the one pinned here, and refuses to
be imported beside it; what is wanted of it is Python alone. So the package's `__init__`, which loads
the compiled part, is left out.
"""

import importlib
import importlib.util
import pathlib
import sys
import types


def module(name):
    """The module `torchaudio.<name>`, which must not need compiled parts."""
    if "torchaudio" not in sys.modules:
        root = pathlib.Path(importlib.util.find_spec("torchaudio").origin).parent
        package = types.ModuleType("torchaudio")
        package.__path__ = [str(root)]
        sys.modules["torchaudio"] = package
        for part in ("compliance", "models"):
            inner = types.ModuleType(f"torchaudio.{part}")
            inner.__path__ = [str(root / part)]
            sys.modules[f"torchaudio.{part}"] = inner
    return importlib.import_module(f"torchaudio.{name}")
