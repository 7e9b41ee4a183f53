"""The result of an explanation."""

from __future__ import annotations

import html
import json
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _relevox
from ._arrays import affine_of
from ._sets import RegionSets, sets_of

#: The rule of masks unless another is given.
RULE = "otsu_volume"
#: Connected components with less than this share of the largest one's voxels are removed from masks.
SMALLEST_COMPONENT = 0.1


class Explanation:
    """What a method found about an image. ``explanation["perturb"]`` is that of another method that was computed."""

    def __init__(
        self,
        explained: _relevox.Explained,
        method: str,
        affine: list[list[float]] | None,
        name: str,
        assumed: list[str],
    ) -> None:
        self._explained, self._affine = explained, affine
        #: The method.
        self.method = method
        #: Name in pictures and pages.
        self.name = name
        #: What was assumed about the model and the image, one line each.
        self.assumed = assumed

    def __getitem__(self, method: str) -> Explanation:
        if method not in self.methods:
            raise KeyError(f"{method}: expected one of {', '.join(self.methods)}, which were computed")
        return Explanation(self._explained, method, self._affine, self.name, self.assumed)

    @property
    def methods(self) -> list[str]:
        """The methods that were computed."""
        return self._explained.methods

    @cached_property
    def map(self) -> NDArray[np.float32]:
        """Relevance from 0 to 100 by voxel, ``[i, j, k]``."""
        return self._explained.map(self.method)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The label of each voxel's region, ``[i, j, k]``."""
        return self._explained.labels()

    @property
    def background(self) -> int | None:
        """Label of voxels in no region."""
        return self._explained.background

    @property
    def relevance(self) -> NDArray[np.float64]:
        """Relevance from 0 to 100 by region, in the order of the labels."""
        return self._explained.table(self.method)["relevance"]

    @property
    def scores(self) -> Any:
        """Values by region, a DataFrame where pandas is installed, else a dict of arrays.

        ``value`` is above 0 where a region is evidence for the target, in units of the logit (``perturb``: of the probability);
        ``delta_p`` and ``delta_logit`` are the changes when the region alone is replaced, original - perturbed.
        """
        table = self._explained.table(self.method)
        try:
            import pandas
        except ImportError:
            return table
        return pandas.DataFrame(table)

    @cached_property
    def sets(self) -> RegionSets | None:
        """Minimal sets of regions, sufficient and necessary for the answer; ``None`` unless ``explain`` was asked for them."""
        return sets_of(self._explained)

    @property
    def logits(self) -> NDArray[np.float32]:
        """The image's own outputs, ``[k]``."""
        return np.array(self._explained.logits, dtype=np.float32)

    @property
    def target(self) -> int:
        """The explained output."""
        return self._explained.target

    @property
    def class_name(self) -> str:
        """Name of the explained output."""
        return self._explained.class_name

    @property
    def logit(self) -> float:
        """The target's logit; of a softmax, that whose sigmoid is its probability."""
        return self._explained.logit

    @property
    def probability(self) -> float | None:
        """The target's probability; ``None`` of a plain value."""
        return self._explained.probability

    @property
    def fill(self) -> str:
        """What replaced regions."""
        return self._explained.fill

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """From indices (i, j, k) to millimetres, where it is known."""
        return None if self._affine is None else np.array([*self._affine, [0.0, 0.0, 0.0, 1.0]])

    def threshold(self, rule: str = RULE) -> float | None:
        """Returns a threshold that is found from the map alone: ``otsu_volume``, ``otsu`` or ``mixture``."""
        return self._explained.threshold(self.method, rule)

    def mask(
        self, threshold: str | float = RULE, smallest_component: float = SMALLEST_COMPONENT
    ) -> NDArray[np.bool_]:
        """Returns the voxels from a threshold on, ``[i, j, k]``.

        Connected components with less than ``smallest_component`` of the largest one's voxels are left out.
        """
        return self._explained.mask(self.method, self._threshold(threshold), _share(smallest_component))

    def _threshold(self, threshold: str | float) -> float | None:
        return self.threshold(threshold) if isinstance(threshold, str) else float(threshold)

    def to_nifti(
        self,
        path: str | os.PathLike[str],
        affine: Any = None,
        *,
        content: str = "map",
        threshold: str | float = RULE,
        smallest_component: float = SMALLEST_COMPONENT,
    ) -> None:
        """Writes the map as NIfTI, or with ``content`` the ``mask``, the ``labels``, or the set ``sufficient`` or ``necessary``.

        Parameters
        ----------
        path
            Ends in ``.nii`` or ``.nii.gz``.
        affine : array, (4, 4)
            From indices (i, j, k) of the map to millimetres, as in nibabel; by default that of the explanation.

        Raises
        ------
        ValueError
            If no affine is known.
        """
        rows = self._affine if affine is None else affine_of(None, affine)
        if rows is None:
            raise ValueError("affine: expected one, since the image brought none; numpy.eye(4) has voxels of 1 mm")
        cut = self._threshold(threshold) if content == "mask" else None
        self._explained.write(Path(path), self.method, content, rows, cut, _share(smallest_component))

    def to_html(self) -> str:
        """Returns a page to look into the explanation, which needs no network: three planes, maps, regions by rank."""
        return self._explained.page(self.name, self._affine, self.method)

    def overview(self) -> bytes:
        """Returns slices through the most relevant region as a PNG file."""
        return self._explained.overview(self.name, self._affine, self.method)

    def _repr_html_(self) -> str:
        return self._frame(720)

    def _frame(self, height: int) -> str:
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" title="Relevance" '
            f'style="width: 100%; height: {height}px; border: 0"></iframe>'
        )

    def show(self, height: int = 720) -> None:
        """Shows the page: in a notebook below the cell, else in a browser."""
        import tempfile
        import webbrowser

        shell = sys.modules.get("IPython")
        if shell is not None and shell.get_ipython() is not None:
            from IPython.display import HTML, display

            display(HTML(self._frame(height)))
            return
        path = Path(tempfile.mkdtemp(prefix="relevox-")) / "index.html"
        path.write_text(self.to_html(), encoding="utf-8")
        if not webbrowser.open(path.as_uri()):
            print(f"{path}: open it in a browser", file=sys.stderr)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the files of ``relevox explain`` into a folder, which is created if needed.

        For each method ``METHOD.nii.gz``, ``METHOD-mask.nii.gz``, ``METHOD.csv`` and, in the image's own axes, ``METHOD.npy``;
        ``overview.png``, ``index.html`` and ``explanation.json``; with minimal sets ``sufficient.nii.gz`` and ``necessary.nii.gz``. Without an affine, volumes have voxels of 1 mm, and the image's
        axes i, j, k are their z, y, x.
        """
        import io

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for method in self.methods:
            one, cut = self[method], self._explained.threshold(method, RULE)
            self._explained.write(place / f"{method}.nii.gz", method, "map", self._affine)
            self._explained.write(
                place / f"{method}-mask.nii.gz", method, "mask", self._affine, cut, SMALLEST_COMPONENT
            )
            _replace(place / f"{method}.csv", one._csv().encode())
            array = io.BytesIO()
            np.save(array, one.map)
            _replace(place / f"{method}.npy", array.getvalue())
        for name in self._explained.sets() or ():
            self._explained.write(place / f"{name}.nii.gz", self.method, name, self._affine)
        _replace(place / "overview.png", self.overview())
        _replace(place / "index.html", self.to_html().encode())
        _replace(place / "explanation.json", (json.dumps(self._document(), indent=2) + "\n").encode())

    def _csv(self) -> str:
        table = self._explained.table(self.method)
        if self.method == "perturb":
            table = {name: column for name, column in table.items() if name not in ("value", "relevance")} | {
                "relevance": table["relevance"]
            }
        else:
            table = {name: table[name] for name in ("region", "voxels", "value", "relevance")}
        rows = zip(*(column.tolist() for column in table.values()))
        return "\n".join([",".join(table), *(",".join(map(repr, row)) for row in rows), ""])

    def _document(self) -> dict[str, Any]:
        explained = self._explained
        methods = {}
        for method in self.methods:
            threshold = explained.threshold(method, RULE)
            mask = explained.mask(method, threshold, SMALLEST_COMPONENT)
            methods[method] = {
                "flat": explained.is_flat(method),
                "threshold": threshold,
                "threshold_rule": RULE,
                "mask_voxels": int(mask.sum()),
            }
        document: dict[str, Any] = {
            "version": _relevox.__version__,
            "case": self.name,
            "logits": explained.logits,
            "target": {"output": self.target, "class": self.class_name, "link": explained.activation},
            "fill": self.fill,
            "methods": methods,
            "regions": len(self.relevance),
            "assumed": self.assumed,
        }
        if (sets := explained.sets()) is not None:
            document["sets"] = {"answer": "predicted" if explained.share is None else {"share": explained.share}, "necessary": None}
            for name, found in sets.items():
                output = {"value": found["logit"]} if self.probability is None else {key: found[key] for key in ("logit", "probability")}
                document["sets"][name] = {"regions": found["regions"].tolist(), "evaluations": found["evaluations"]} | output
        if self.probability is None:
            return document | {"value": self.logit}
        return document | {"logit": self.logit, "probability": self.probability}

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.map.shape))
        answer = f"value {self.logit:.4g}" if self.probability is None else f"p = {self.probability:.3f}"
        return f"<Explanation of {self.name}: {self.class_name}, {answer}; {self.method}, {len(self.relevance)} regions, {shape}>"


def _share(smallest_component: float) -> float:
    if not 0 <= smallest_component <= 1:
        raise ValueError(f"smallest_component: expected a share from 0 to 1, found {smallest_component}")
    return float(smallest_component)


def _replace(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name, and renames it when it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
