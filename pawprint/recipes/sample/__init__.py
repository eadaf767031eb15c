"""The offline demo: drawn images, and a small backbone that was trained on other drawn images.

base.h5 holds the weights of MobileNetV2 (alpha 0.35) in float16, trained to tell 30 kinds of drawn
things apart, none of them a cat or a dog: 81% of 1,200 held-out pictures are right. It was made by
pawprint/recipes/sample/pretrain.py in commit 566bd2d.
"""
