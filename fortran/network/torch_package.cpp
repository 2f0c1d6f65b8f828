// AOTInductor packages: functions compiled for one machine and one release of torch, with tangent
// linear and adjoint among them. python/dacycle/network/package.py says what is in them.
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/headeronly/version.h>

#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "torch_network.h"

namespace {

using Archive = caffe2::serialize::PyTorchStreamReader;
using Function = torch::inductor::AOTIModelPackageLoader;

// The loader takes a path: to memory that no other process can write to.
struct PrivateFile {
  const int descriptor = memfd_create("network.pt2", MFD_CLOEXEC);

  explicit PrivateFile(const File& file) {
    size_t written = 0;
    while (written < file.length) {
      const auto count = write(descriptor, file.bytes + written, file.length - written);
      if (count <= 0) {
        close(descriptor);
        throw std::runtime_error("there is no memory for a copy of it");
      }
      written += count;
    }
  }
  PrivateFile(const PrivateFile&) = delete;
  ~PrivateFile() { close(descriptor); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }
};

std::string text_of(Archive& archive, const std::string& name) {
  const auto record = "extra/" + name;
  if (!archive.hasRecord(record)) return "";
  const auto [data, size] = archive.getRecord(record);
  return std::string(static_cast<const char*>(data.get()), size);
}

// Three extents and the values.
at::Tensor tensor_of(Archive& archive, const std::string& name) {
  std::istringstream text(text_of(archive, name));
  int64_t batch = 0, channels = 0, points = 0;
  text >> batch >> channels >> points;
  if (!text) throw std::runtime_error("it holds no " + name);
  auto tensor = at::empty({batch, channels, points}, at::kDouble);
  auto* values = tensor.mutable_data_ptr<double>();
  for (int64_t i = 0; i < tensor.numel(); ++i) text >> values[i];
  if (!text) throw std::runtime_error("its " + name + " is cut short");
  return tensor;
}

// What this processor can do, in Linux's words.
std::set<std::string> instructions() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

// Native code for another release may read structures that are no more; for another processor, it
// would end the process.
void check_made_for(const std::string& said) {
  const std::string advice = "; make it anew on this machine with dacycle export NAME.pt --aoti";
  std::istringstream words(said);
  std::string release;
  words >> release;
  if (release.empty())
    throw std::runtime_error("does not say what it was made for: not written by dacycle export");
  if (release != TORCH_VERSION)
    throw std::runtime_error("was compiled for torch " + release + ", here is " TORCH_VERSION +
                             advice);
  const auto available = instructions();
  for (std::string needed; words >> needed;)
    if (!available.count(needed))
      throw std::runtime_error("was compiled for a processor with " + needed +
                               ", which this one has not" + advice);
}

struct Package : Network {
  Function of_forward, of_tangent_linear, of_adjoint;
  at::Tensor sample_input, sample_output;

  explicit Package(const std::string& path)
      : of_forward(path, "forward", true),
        of_tangent_linear(path, "tl", true),
        of_adjoint(path, "ad", true) {}

  at::Tensor forward(const at::Tensor& x) override {
    const c10::InferenceMode unrecorded;
    return of_forward.run({x})[0];
  }

  at::Tensor tangent_linear(const at::Tensor& x, const at::Tensor& dx) override {
    const c10::InferenceMode unrecorded;
    return of_tangent_linear.run({x, dx})[0];
  }

  at::Tensor adjoint(const at::Tensor& x, const at::Tensor& dy) override {
    const c10::InferenceMode unrecorded;
    return of_adjoint.run({x, at::constant_pad_nd(dy, {0, x.size(2) - dy.size(2)})})[0];
  }

  at::Tensor tensor(const std::string& name) const override {
    return name == "sample_input" ? sample_input : sample_output;
  }
};

}  // namespace

std::unique_ptr<Network> load_package(const File& file, at::Device device) {
  if (!device.is_cpu())
    throw std::invalid_argument("is compiled for the CPU; on a GPU take the TorchScript file");
  Archive archive(std::make_shared<File>(file));
  check_made_for(text_of(archive, "made_for"));
  auto network = std::make_unique<Package>(PrivateFile(file).path());
  network->kind = text_of(archive, "dtype") == "float64" ? at::kDouble : at::kFloat;
  network->sample_input = tensor_of(archive, "sample_input");
  network->sample_output = tensor_of(archive, "sample_output");
  return network;
}
