"""Studies as presets: plain tables of option values, which the user's own options override."""

from typing import Any, Literal

Preset = Literal["study-pic", "study-confidence", "study-reliability"]

PRESETS: dict[str, dict[str, Any]] = {
    # AIC and SIC of eight methods and a random control, by every information measure.
    "study-pic": {
        "model": ("inception_resnet_v2",),
        "methods": (
            "integrated_gradients",
            "smoothgrad_ig",
            "guided_ig",
            "xrai",
            "xrai_fast",
            "grad_cam",
            "grad_cam_pp",
            "score_cam",
            "random",
        ),
        "metrics": ("aic", "sic"),
        "entropy": ("shannon", "webp", "mutual"),
        "images": 100,
    },
    # What is left of the class's probability under five class activation maps of four architectures.
    "study-confidence": {
        "model": ("resnet50", "densenet121", "vgg16", "efficientnet_b0"),
        "methods": ("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "eigen_grad_cam"),
        "metrics": ("confidence_increase", "confidence_gain", "average_drop"),
        "images": 100,
    },
    # Localization, faithfulness, and consistency between five architectures, a vision transformer among them.
    "study-reliability": {
        "model": ("resnet50", "densenet121", "vgg16", "efficientnet_b0", "vit_b16"),
        "methods": ("grad_cam", "grad_cam_pp", "layer_cam", "gradient", "random"),
        "metrics": (
            "pointing_game",
            "average_precision",
            "iou",
            "energy",
            "insertion_blur",
            "deletion_blur",
            "agreement_spearman",
            "agreement_ssim",
            "agreement_topk_iou",
        ),
        "images": 100,
    },
}
