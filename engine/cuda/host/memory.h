// Device memory without a device: a range of the CPU's memory that is closed except while kernels run or copies are made, so
// that code for the CPU which follows a pointer into it fails as it would with a real device.
#pragma once

namespace lull::cuda::host {

// Device memory can be read and written while one lives.
class DeviceMemoryOpen {
  public:
    DeviceMemoryOpen();
    ~DeviceMemoryOpen();
    DeviceMemoryOpen(const DeviceMemoryOpen&) = delete;
    DeviceMemoryOpen& operator=(const DeviceMemoryOpen&) = delete;
};

}    // namespace lull::cuda::host
