"""Metrics, predictions and train rows of a build in; two cards and one page out.

`build` is what all three are made from. `model_card`, `dataset_card` and `page` make one file each, with
`render` and the templates. `flow`, `scores`, `labels`, `confusion`, `certificate`, `curve`, `confidence`,
`errors`, `mistakes` and `fields` are the parts that they show.
"""
