"""From a DenseNet121 of MONAI to a picture, as in a notebook."""

import sys
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks.nets import DenseNet121

import relevox

folder = Path(sys.argv[1])
torch.manual_seed(0)
model = DenseNet121(spatial_dims=3, in_channels=1, out_channels=2).eval()

# A head with a bright spot, as LoadImage would read it: [c, x, y, z] with its affine.
x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 48, 36)), indexing="ij")
head = np.where(x**2 + y**2 + z**2 < 0.8, 0.5 + 0.1 * np.cos(9 * x), 0)
head[(x - 0.3) ** 2 + y**2 + z**2 < 0.05] = 1
image = MetaTensor(torch.as_tensor(head[None], dtype=torch.float32), affine=np.diag([-4.0, -4.0, 4.0, 1.0]))

explanation = relevox.explain(model, image, n_segments=40, name="DenseNet121", progress=False)
print(explanation)
print(explanation.scores.head() if hasattr(explanation.scores, "head") else explanation.scores)
explanation.to_nifti(folder / "relevance.nii.gz")
(folder / "overview.png").write_bytes(explanation.overview())
(folder / "page.html").write_text(explanation._repr_html_(), encoding="utf-8")
