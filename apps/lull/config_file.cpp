#include "apps/lull/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/lull/options.h"
#include "apps/lull/toml.h"
#include "engine/did_you_mean.h"

namespace lull {
namespace {

std::string key_of(const CLI::Option& option) { return option.get_single_name(); }

bool is_setting(const CLI::Option* option) { return option->nonpositional() && option->get_configurable(); }

bool is_only_a_flag(const CLI::App& command, const std::string& key) {
    const CLI::Option* option = command.get_option_no_throw("--" + key);
    return option && !option->get_configurable();
}

// "; did you mean 'steps'?", or nothing.
std::string nearest_key(const std::string& given, const std::vector<CLI::Option*>& settings) {
    std::vector<std::string> keys;
    for (const CLI::Option* option : settings) keys.push_back(key_of(*option));
    const std::vector<std::string_view> names(keys.begin(), keys.end());
    const std::string_view nearest = nearest_name(given, names);
    return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

std::vector<TomlEntry> entries_of(const std::filesystem::path& path) try { return read_toml(path); } catch (const Error& error) {
    throw UsageError(error.what());
}

}    // namespace

void ConfigFile::apply(CLI::App& command, const std::filesystem::path& path) {
    path_ = path;
    const std::vector<CLI::Option*> settings = command.get_options(is_setting);
    for (const TomlEntry& entry : entries_of(path)) {
        std::string key = entry.key;
        std::replace(key.begin(), key.end(), '_', '-');
        const auto found =
            std::find_if(settings.begin(), settings.end(), [&](CLI::Option* option) { return key_of(*option) == key; });
        check_usage(!is_only_a_flag(command, key), path.string(), "'", entry.key, "' can only be a flag: --", key);
        check_usage(found != settings.end(), path.string(), "unknown key '", entry.key, "'", nearest_key(key, settings));

        CLI::Option& option = **found;
        check_usage(!given_here(&option), path.string(), "'", key, "' is there twice");
        bool overruled = option.count() > 0;
        for (const CLI::Option* other : option.get_excludes()) {
            check_usage(!given_here(other), path.string(), key, ": excludes ", key_of(*other), "; give one of them");
            overruled = overruled || other->count() > 0;
        }
        if (!overruled) set(option, entry.value);
    }
}

void ConfigFile::set(CLI::Option& option, const std::string& value) {
    given_.push_back(&option);
    const bool is_flag = option.get_expected_max() == 0;
    check_usage(!is_flag || value == "true" || value == "false", option.get_name(), "expected true or false, got '", value, "'");
    check_usage(!value.empty(), option.get_name(), "expected a value, got nothing");
    option.add_result(value);
    option.run_callback();
}

bool ConfigFile::given_here(const CLI::Option* option) const {
    return std::find(given_.begin(), given_.end(), option) != given_.end();
}

std::string ConfigFile::attributed(const std::string& message) const {
    const std::string flag = message.substr(0, message.find(':'));
    const auto named = [&](const CLI::Option* option) { return option->get_name() == flag; };
    if (std::none_of(given_.begin(), given_.end(), named)) return message;
    return path_.string() + ": " + message.substr(message.find_first_not_of('-'));
}

}    // namespace lull
