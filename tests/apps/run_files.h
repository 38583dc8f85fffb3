// Comparing the folders of training runs.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace lull::test {

// Every file of a folder, by its path inside.
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const std::filesystem::directory_entry& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files[std::filesystem::relative(entry.path(), folder).string()] = read_bytes(entry.path());
    return files;
}

// The log's steps, without what was measured.
inline std::vector<nlohmann::json> logged_steps(const std::filesystem::path& folder) {
    std::istringstream log(read_bytes(folder / "log.jsonl"));
    std::vector<nlohmann::json> steps;
    for (std::string line; std::getline(log, line);) {
        nlohmann::json object = nlohmann::json::parse(line);
        if (!object.contains("step")) continue;
        for (const char* measured : {"seconds", "images_per_second", "peak_memory_mib"}) object.erase(measured);
        steps.push_back(object);
    }
    return steps;
}

// The same files with the same bytes, but for times and machine.
inline void check_same_run(const std::filesystem::path& a, const std::filesystem::path& b) {
    auto of_a = contents(a), of_b = contents(b);
    for (const char* name : {"log.jsonl", "config.json", "config.toml"}) {
        of_a.erase(name);
        of_b.erase(name);
    }
    for (const auto& [name, bytes] : of_a) CHECK_MESSAGE((of_b.contains(name) && of_b.at(name) == bytes), name);
    CHECK(of_a.size() == of_b.size());
    CHECK(logged_steps(a) == logged_steps(b));
}

}    // namespace lull::test
