"""A test set that is no part of MNIST: the digits that scikit-learn carries, brought to MNIST's form."""

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from robustness.pictures import to_mnist
from robustness.suites import PICTURES, Suite


def read_other_writers() -> Suite:
    """The digits of scikit-learn, 1,797 of 8 x 8 pixels by 13 people, as photos of them would be read.

    They are the test set of Alpaydin and Kaynak 1998 (https://doi.org/10.24432/C50P49): the forms of NIST, as
    MNIST's, but people, scanning and preparation are others. Enlarged, laid on paper and read as any picture.
    """
    digits = load_digits()
    images = []
    for grey in 255 - digits.images * (255 / 16):  # 16 = ink
        sheet = Image.fromarray(np.rint(grey).astype(np.uint8)).resize((80, 80), Image.Resampling.BICUBIC)
        images.append(to_mnist(ImageOps.expand(sheet, border=20, fill=255)).image)
    return Suite(np.stack(images), digits.target.astype(np.uint8), PICTURES)
