// Networks in files, behind a flat C interface that Fortran loads at run time.
//
// Every function returns 0, or 1 after an error whose message `dacycle_torch_message` gives; no
// exception leaves, and nothing ends the process. Fields are contiguous, Fortran's
// (points, channels, batch), which is torch's (batch, channels, points), in the network's own
// kind, float32 or float64.
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>

#include "torch_network.h"

namespace {

enum Task { forward_task = 0, tangent_linear_task = 1, adjoint_task = 2 };

thread_local std::string message;

// An error of the interpreter is a traceback: what went wrong stands in its last line.
std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const auto end = text.rfind('\n');
  return end == std::string::npos ? text : text.substr(end + 1);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

template <class Body>
int guarded(Body&& body) noexcept {
  try {
    message.clear();
    body();
    return 0;
  } catch (const c10::Error& error) {
    message = first_line(error.what_without_backtrace());
    if (message.find("TorchScript interpreter") != std::string::npos)
      message = last_line(error.what_without_backtrace());
    if (message.find("PytorchStreamReader") != std::string::npos)
      message = "is not a TorchScript file, or is cut short";
  } catch (const std::exception& error) {
    message = last_line(error.what());
  } catch (...) {
    message = "an error of unknown kind";
  }
  return 1;
}

// "cpu", "cuda:1", or "cuda": one device after another over the ranks.
at::Device device_of(const std::string& name, int rank) {
  if (name == "cpu") return at::kCPU;
  const bool numbered = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 8 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "cuda" && !numbered)
    throw std::invalid_argument("device '" + name + "' is not known (known: cpu, cuda, cuda:1)");
  // libtorch_cuda makes itself known as it is loaded; runs on the CPU do without.
  if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL))
    throw std::invalid_argument("device '" + name + "': this build of torch is for the CPU alone");
  const int count = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (count == 0) throw std::invalid_argument("device '" + name + "': no GPU is to be seen");
  if (name == "cuda") return at::Device(at::kCUDA, static_cast<int8_t>(rank % count));
  const at::Device device(name);
  if (device.index() >= count)
    throw std::invalid_argument("device '" + name + "': the last of this machine is cuda:" +
                                std::to_string(count - 1));
  return device;
}

at::Tensor field(const Network& network, const void* data, int64_t batch, int64_t channels,
                 int64_t points) {
  auto aliased = at::from_blob(const_cast<void*>(data), {batch, channels, points},
                               at::TensorOptions(network.kind));
  return network.device.is_cpu() ? aliased : aliased.to(network.device);
}

void store(const at::Tensor& result, const Network& network, void* data, int64_t batch,
           int64_t channels, int64_t points) {
  if (result.dim() != 3 || result.size(0) != batch || result.size(1) != channels ||
      result.size(2) != points || result.scalar_type() != network.kind) {
    std::ostringstream text;
    text << "the network gives " << result.scalar_type() << ' ' << result.sizes() << ", expected "
         << network.kind << " [" << batch << ", " << channels << ", " << points << ']';
    throw std::runtime_error(text.str());
  }
  const auto flat = result.to(at::kCPU).contiguous();
  std::memcpy(data, flat.const_data_ptr(), flat.nbytes());
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// The last error of this thread, cut to `length` - 1 characters; returns its whole length.
int dacycle_torch_message(char* text, int length) {
  const auto kept = std::min<size_t>(message.size(), std::max(length - 1, 0));
  std::memcpy(text, message.data(), kept);
  text[kept] = '\0';
  return static_cast<int>(message.size());
}

// Loads the bytes of a file onto a device. `kind_bytes` is 4 or 8: float32 or float64.
int dacycle_torch_load(const char* bytes, int64_t length, int package, const char* device, int rank,
                       int threads, void** network, int* kind_bytes) {
  *network = nullptr;
  return guarded([&] {
    // MKL's sums must not depend on where in memory an array lies: ranks are to have the same bits.
    setenv("MKL_CBWR", "AUTO", 0);
    at::set_num_threads(threads);
    const auto place = device_of(device, rank);
    const File file(bytes, static_cast<size_t>(length));
    auto loaded = package ? load_package(file, place) : load_script(file, place);
    const auto kind = loaded->kind;
    if (kind != at::kFloat && kind != at::kDouble)
      throw std::runtime_error(std::string("its weights are ") + c10::toString(kind) +
                               ", must be float32 or float64");
    *kind_bytes = kind == at::kDouble ? 8 : 4;
    *network = loaded.release();
  });
}

// A tensor that the module holds by name, converted to float64: its shape (three extents, torch's
// order) and, where `data` is not null, its values.
int dacycle_torch_tensor(const void* network, const char* name, int64_t* extents, double* data) {
  return guarded([&] {
    const auto tensor = static_cast<const Network*>(network)->tensor(name).contiguous();
    if (tensor.dim() != 3) throw std::runtime_error(std::string(name) + " has not three dimensions");
    for (int i = 0; i < 3; ++i) extents[i] = tensor.size(i);
    if (data) std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
  });
}

// forward: out = M(x); tangent linear: out = M'(x) d; adjoint: out = M'(x)^T d.
// x has `channels_in` channels of `points_in` points, M(x) `channels_out` of `points_out`.
int dacycle_torch_run(void* handle, int task, int64_t batch, int64_t channels_in,
                      int64_t points_in, int64_t channels_out, int64_t points_out, const void* x,
                      const void* d, void* out) {
  return guarded([&] {
    auto& network = *static_cast<Network*>(handle);
    const auto point = field(network, x, batch, channels_in, points_in);
    if (task == forward_task) {
      store(network.forward(point), network, out, batch, channels_out, points_out);
    } else if (task == tangent_linear_task) {
      const auto dx = field(network, d, batch, channels_in, points_in);
      store(network.tangent_linear(point, dx), network, out, batch, channels_out, points_out);
    } else {
      const auto dy = field(network, d, batch, channels_out, points_out);
      store(network.adjoint(point, dy), network, out, batch, channels_in, points_in);
    }
  });
}

}  // extern "C"
#pragma GCC visibility pop
