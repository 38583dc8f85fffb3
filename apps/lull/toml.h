// TOML (toml.io) as settings need it: one level of "key = value".
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lull {

// One line of settings. value: as a flag takes it, so a string without its quotes, a number without underscores, and the
// elements of an array with commas between them.
struct TomlEntry {
    std::string key, value;
    int line;
};

// Strings, numbers, booleans, arrays of them, and comments. Throws Error("PATH: line 3: …") for what is no TOML, for a key
// that is there twice, and for the parts of TOML that settings do not need (tables, multi-line strings).
std::vector<TomlEntry> read_toml(const std::filesystem::path& path);

// The inverse, for an object of strings, numbers, booleans and arrays of them; underscores in its keys become the dashes of
// flags. Read again, numbers are the same bits.
std::string to_toml(const nlohmann::json& settings);

}    // namespace lull
