// Where a tensor's bytes lie.
#pragma once

#include <cstdint>
#include <ostream>
#include <string_view>

namespace lull {

enum class Device : std::uint8_t { cpu, cuda };

inline std::string_view name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

inline std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

}    // namespace lull
