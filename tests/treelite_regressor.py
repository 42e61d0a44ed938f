"""A regressor to be built tree by tree with treelite's ModelBuilder."""

from typing import Any


def regressor(dtype: str, n_features: int, n_trees: int, base: float) -> Any:
    """Begin one of a single output, the sum of its trees and of `base`."""
    from treelite import model_builder as builder

    return builder.ModelBuilder(
        threshold_type=dtype,
        leaf_output_type=dtype,
        metadata=builder.Metadata(
            num_feature=n_features,
            task_type="kRegressor",
            average_tree_output=False,
            num_target=1,
            num_class=[1],
            leaf_vector_shape=(1, 1),
        ),
        tree_annotation=builder.TreeAnnotation(
            num_tree=n_trees, target_id=[0] * n_trees, class_id=[0] * n_trees
        ),
        postprocessor=builder.PostProcessorFunc(name="identity"),
        base_scores=[base],
    )
