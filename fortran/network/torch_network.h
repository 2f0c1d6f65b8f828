// A network in memory, whatever the format of its file.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

// Tensors are (batch, channels, points), on `device` and of `kind`, float32 or float64.
struct Network {
  at::Device device = at::kCPU;
  at::ScalarType kind = at::kFloat;
  // What the file says of itself.
  std::string metadata;

  virtual ~Network() = default;
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  virtual at::Tensor tangent_linear(const at::Tensor& x, const at::Tensor& dx) = 0;
  virtual at::Tensor adjoint(const at::Tensor& x, const at::Tensor& dy) = 0;
  // One that the file holds by name, in float64.
  virtual at::Tensor tensor(const std::string& name) const = 0;
};

constexpr const char* metadata_file = "dacycle.nml";

// A TorchScript file, `.pt`.
std::unique_ptr<Network> load_script(const std::string& path, at::Device device);

// An AOTInductor package, `.pt2`.
std::unique_ptr<Network> load_package(const std::string& path, at::Device device);
