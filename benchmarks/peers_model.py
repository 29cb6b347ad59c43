"""The model of the peers' side, for the interpreter of an environment with PyTorch: ResNet-50 with random weights."""

import torch

try:
    import torchvision
except RuntimeError:  # a torchvision whose compiled operators do not fit a CPU torch: nothing here calls them
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision


def make_model() -> torch.nn.Module:
    """ResNet-50 with random weights, and random batch statistics, which keep activations of usual size."""
    torch.manual_seed(0)
    model = torchvision.models.resnet50(weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.5)
            module.weight.data.uniform_(0.4, 0.8)
    return model.to(memory_format=torch.channels_last)
