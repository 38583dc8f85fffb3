// What a user can get wrong, and what lull says to it: the table behind tests/apps/bad_inputs.cpp and docs/errors.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lull::test {

struct BadInput {
    std::string what;
    std::string command;    // as typed into a shell, in the folder that make_scene fills
    std::string line;       // all that standard error gets, after "lull: "; … stands for a number that depends on the machine
    int status = 2;
    std::string before = {};    // what the shell does first: limits, other users
    std::string leaves = {};    // the one new file or folder that may be there afterwards
};

struct BadInputs {
    std::string title;
    std::vector<BadInput> cases;
};

const std::vector<BadInputs>& bad_inputs();

// Fills an empty folder with the files, good and bad, that the table speaks of. `lull`: the program.
void make_scene(const std::filesystem::path& folder, const std::filesystem::path& lull);

}    // namespace lull::test
