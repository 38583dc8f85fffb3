// What the subcommands' options have in common: checks of their values, and errors that name the flag.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "diffusion/sampler_choice.h"
#include "engine/device.h"
#include "engine/error.h"
#include "nn/data/resize.h"

namespace lull {

// The command line is wrong: exit status 2 instead of 1.
class UsageError : public Error {
  public:
    using Error::Error;
};

// Throws UsageError("--flag: message…") unless the condition holds.
template <class... Parts>
void check_usage(bool condition, std::string_view flag, const Parts&... parts) {
    if (condition) return;
    std::ostringstream message;
    message << flag << ": ";
    (message << ... << parts);
    throw UsageError(message.str());
}

// Calls f; an Error in it, "[where] message", becomes UsageError("--flag: message").
template <class F>
auto reading(std::string_view flag, F&& f) {
    try {
        return f();
    } catch (const Error& error) {
        std::string message = error.what();
        if (message.starts_with('[')) message.erase(0, message.find(']') + 2);
        throw UsageError(std::string(flag) + ": " + message);
    }
}

// Checks for an option's text: an empty string when it will do, otherwise what was expected.
using ValueCheck = std::function<std::string(const std::string&)>;
inline constexpr std::int64_t kNoLimit = 1'000'000'000'000;
ValueCheck whole_number(std::int64_t least, std::int64_t most = kNoLimit);
ValueCheck seed_number();    // any of 64 bits
ValueCheck number_at_least(double least);
ValueCheck number_above(double bound);
ValueCheck number_in(double least, double below);    // [least, below)
// A shell gives an empty word for a variable that is not set.
ValueCheck named(const std::string& what);    // "a folder": something, and not nothing

// Pixels: "32", or width and height: "48x32". Throws UsageError that names the flag.
ImageSize parse_image_size(std::string_view flag, const std::string& text);

// Options that both subcommands have.
struct MachineOptions {
    int threads = 0;    // 0: all processors
    std::string device = "cpu";
    bool quiet = false;
    std::string config;    // a file with settings (config_file.h); empty: none

    // Sets the number of threads. Throws UsageError for an unknown device, Error for one that this build does not have; one that
    // only this machine lacks is replaced by the CPU, which is said on standard error.
    void apply() const;
    // Where to compute: the device that was asked for, or the CPU in place of one that is not there.
    Device chosen_device() const;
};

}    // namespace lull
