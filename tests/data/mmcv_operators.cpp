// Python bindings for the few of mmcv's own operators that are compared here. Those of the focal
// loss exist for CUDA alone: their kernels are compiled as plain loops.
#include <torch/extension.h>

#include <cfloat>
#include <cmath>

#include "pytorch/cpu/nms.cpp"
#include "pytorch/cpu/roi_align.cpp"
#include "pytorch/nms.cpp"
#include "pytorch/roi_align.cpp"

#define PYTORCH_CUDA_HELPER
#define __global__
#define CUDA_1D_KERNEL_LOOP(i, n) for (int i = 0; i < n; i++)
using std::max;
using std::pow;
#include "cuda/sigmoid_focal_loss_cuda_kernel.cuh"

const float* weight_or_null(const Tensor& weight) {
  return weight.numel() ? weight.data_ptr<float>() : nullptr;
}

void sigmoid_focal_loss_forward(Tensor input, Tensor target, Tensor weight, Tensor output,
                                float gamma, float alpha) {
  sigmoid_focal_loss_forward_cuda_kernel<float>(
      input.numel(), input.data_ptr<float>(), target.data_ptr<int64_t>(), weight_or_null(weight),
      output.data_ptr<float>(), gamma, alpha, input.size(1));
}

void sigmoid_focal_loss_backward(Tensor input, Tensor target, Tensor weight, Tensor grad_input,
                                 float gamma, float alpha) {
  sigmoid_focal_loss_backward_cuda_kernel<float>(
      input.numel(), input.data_ptr<float>(), target.data_ptr<int64_t>(), weight_or_null(weight),
      grad_input.data_ptr<float>(), gamma, alpha, input.size(1));
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("nms", &nms, py::arg("boxes"), py::arg("scores"), py::arg("iou_threshold"),
        py::arg("offset"));
  m.def("softnms", &softnms, py::arg("boxes"), py::arg("scores"), py::arg("dets"),
        py::arg("iou_threshold"), py::arg("sigma"), py::arg("min_score"), py::arg("method"),
        py::arg("offset"));
  m.def("roi_align_forward", &roi_align_forward, py::arg("input"), py::arg("rois"),
        py::arg("output"), py::arg("argmax_y"), py::arg("argmax_x"), py::arg("aligned_height"),
        py::arg("aligned_width"), py::arg("spatial_scale"), py::arg("sampling_ratio"),
        py::arg("pool_mode"), py::arg("aligned"));
  m.def("roi_align_backward", &roi_align_backward, py::arg("grad_output"), py::arg("rois"),
        py::arg("argmax_y"), py::arg("argmax_x"), py::arg("grad_input"),
        py::arg("aligned_height"), py::arg("aligned_width"), py::arg("spatial_scale"),
        py::arg("sampling_ratio"), py::arg("pool_mode"), py::arg("aligned"));
  m.def("sigmoid_focal_loss_forward", &sigmoid_focal_loss_forward, py::arg("input"),
        py::arg("target"), py::arg("weight"), py::arg("output"), py::arg("gamma"),
        py::arg("alpha"));
  m.def("sigmoid_focal_loss_backward", &sigmoid_focal_loss_backward, py::arg("input"),
        py::arg("target"), py::arg("weight"), py::arg("grad_input"), py::arg("gamma"),
        py::arg("alpha"));
}
