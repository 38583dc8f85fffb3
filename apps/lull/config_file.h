// Settings from a file: lull train --config my.toml.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}    // namespace CLI

namespace lull {

// What a TOML file gives to a command's options. Its keys are the flags' names (underscores will do for dashes). Of the
// defaults, the file and the command line, the later wins; a flag also wins over a key that it excludes.
class ConfigFile {
  public:
    // Gives every option that the command line left out the file's value. Throws UsageError("FILE: …")
    // when it cannot be read, for an unknown key, and, with the key, for what the flag would not take either.
    void apply(CLI::App& command, const std::filesystem::path& path);

    // An error's message, "--preset: …", as "FILE: preset: …" when the option has its value from the file.
    std::string attributed(const std::string& message) const;

  private:
    void set(CLI::Option& option, const std::string& value);
    bool given_here(const CLI::Option* option) const;

    std::filesystem::path path_;
    std::vector<const CLI::Option*> given_;    // the options that have their values from the file
};

}    // namespace lull
