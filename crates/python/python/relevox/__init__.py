"""Where a 3D image classifier looks: relevance maps, supervoxels, and their evaluation.

``explain`` computes which regions of an image a classifier's output depends on; ``slic`` computes supervoxels with the labels
of scikit-image; ``FeatureAblation`` computes attributions with the signature of Captum's; ``eval`` measures maps.
"""

from . import eval
from ._ablation import FeatureAblation
from ._explain import explain
from ._explanation import Explanation
from ._relevox import __version__
from ._slic import slic

__all__ = ["Explanation", "FeatureAblation", "__version__", "eval", "explain", "slic"]
