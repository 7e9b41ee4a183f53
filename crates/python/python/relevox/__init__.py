"""Where a 3D image classifier looks: relevance maps, supervoxels, and their evaluation.

``explain`` computes which regions of an image a classifier's output depends on, ``pool`` what regions of several images have in
common; ``slic`` computes supervoxels with the labels of scikit-image; ``FeatureAblation`` computes attributions with the signature
of Captum's; ``eval`` measures maps.
"""

from . import eval
from ._ablation import FeatureAblation
from ._explain import explain
from ._explanation import Explanation
from ._pool import pool
from ._relevox import __version__
from ._sets import RegionSet, RegionSets
from ._slic import slic

__all__ = ["Explanation", "FeatureAblation", "RegionSet", "RegionSets", "__version__", "eval", "explain", "pool", "slic"]
