// A network in memory, whatever the format of its file.
#pragma once

#include <ATen/ATen.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

// Tensors are (batch, channels, points), on `device` and of `kind`, float32 or float64.
struct Network {
  at::Device device = at::kCPU;
  at::ScalarType kind = at::kFloat;

  virtual ~Network() = default;
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  virtual at::Tensor tangent_linear(const at::Tensor& x, const at::Tensor& dx) = 0;
  virtual at::Tensor adjoint(const at::Tensor& x, const at::Tensor& dy) = 0;
  // One that the file holds by name, in float64.
  virtual at::Tensor tensor(const std::string& name) const = 0;
};

// The bytes of a file, which was read once: those that were looked at are those that are loaded.
struct File : caffe2::serialize::ReadAdapterInterface {
  const char* bytes;
  size_t length;

  File(const char* bytes, size_t length) : bytes(bytes), length(length) {}

  size_t size() const override { return length; }

  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    const auto kept = position < length ? std::min<size_t>(count, length - position) : 0;
    std::memcpy(buffer, bytes + std::min<uint64_t>(position, length), kept);
    return kept;
  }
};

// A TorchScript file, `.pt`.
std::unique_ptr<Network> load_script(const File& file, at::Device device);

// An AOTInductor package, `.pt2`.
std::unique_ptr<Network> load_package(const File& file, at::Device device);
