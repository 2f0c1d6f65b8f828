// TorchScript files. Their tangent linear and adjoint are libtorch's differentiation of `forward`.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/forward_grad.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <stdexcept>

#include "torch_network.h"

namespace {

struct Script : Network {
  torch::jit::Module module;
  torch::jit::Method method;

  Script(const torch::jit::Module& module, const torch::jit::Method& method)
      : module(module), method(method) {}

  torch::Tensor run(const torch::Tensor& x) {
    const auto y = method({x});
    if (!y.isTensor()) throw std::runtime_error("the network's forward gives no tensor");
    return y.toTensor();
  }

  torch::Tensor forward(const torch::Tensor& x) override {
    const c10::InferenceMode unrecorded;
    return run(x);
  }

  // Forward-mode differentiation: dual numbers, whose level is left whatever happens.
  torch::Tensor tangent_linear(const torch::Tensor& x, const torch::Tensor& dx) override {
    const torch::NoGradGuard unrecorded;
    struct Level {
      const uint64_t index = torch::autograd::ForwardADLevel::get_next_idx();
      ~Level() { torch::autograd::ForwardADLevel::release_idx(index); }
    } const level;
    const auto dual = at::_make_dual(x.alias(), dx, static_cast<int64_t>(level.index));
    const auto parts = at::_unpack_dual(run(dual), static_cast<int64_t>(level.index));
    const auto& dy = std::get<1>(parts);
    return dy.defined() ? dy.clone() : torch::zeros_like(std::get<0>(parts));
  }

  torch::Tensor adjoint(const torch::Tensor& x, const torch::Tensor& dy) override {
    const torch::AutoGradMode recorded(true);
    const auto leaf = x.detach().requires_grad_(true);
    const auto y = run(leaf);
    return torch::autograd::grad({y}, {leaf}, {dy})[0];
  }

  torch::Tensor tensor(const std::string& name) const override {
    if (!module.hasattr(name)) throw std::runtime_error("it holds no " + name);
    return module.attr(name).toTensor().to(torch::kCPU, torch::kFloat64);
  }
};

}  // namespace

std::unique_ptr<Network> load_script(const File& file, torch::Device device) {
  // The same graph in every call: an executor that specialises after some calls would make the
  // bits depend on how often a network was called, and so on restarts.
  torch::jit::getProfilingMode() = false;
  torch::jit::setGraphExecutorOptimize(false);
  auto module = torch::jit::load(std::make_shared<File>(file), device);
  module.eval();
  const auto forward = module.find_method("forward");
  if (!forward) throw std::runtime_error("its module has no forward");
  auto network = std::make_unique<Script>(module, *forward);
  for (const auto& weights : module.parameters()) {
    network->kind = weights.scalar_type();
    break;
  }
  network->device = device;
  return network;
}
