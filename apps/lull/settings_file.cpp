#include "apps/lull/settings_file.h"

#include <nlohmann/json.hpp>

#include "apps/lull/toml.h"
#include "nn/data/fashion_mnist.h"

namespace lull {

using nlohmann::json;

std::string settings_file(const std::string& command, json settings, DataOptions data) {
    if (data.path.empty()) data.path = fashion_mnist_folder();
    settings.update(to_json(data));
    return "# " + command + " --config THIS_FILE --outdir ANOTHER_FOLDER trains this model again, bit for bit.\n" +
           to_toml(settings);
}

std::string as_comment(const std::string& text) {
    std::string comment = "# ";
    for (const char c : text) comment += c == '\n' ? std::string("\n# ") : std::string(1, c);
    return comment + '\n';
}

}    // namespace lull
