// Every line of the table of bad inputs: what is said, the exit status, and that nothing is lost or half-written.
#include "tests/apps/bad_inputs.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <regex>
#include <sstream>

#include "tests/support/files.h"

using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// Names and contents of all that is in a folder.
std::map<std::string, std::string> contents(const fs::path& folder) {
    std::map<std::string, std::string> all;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
        all[fs::relative(entry.path(), folder).string()] = entry.is_directory() ? "folder" : read_bytes(entry.path());
    return all;
}

// What was lost, changed or added, one name per line.
std::string changes(const std::map<std::string, std::string>& before, const fs::path& folder, const std::string& allowed) {
    const auto after = contents(folder);
    std::string lines;
    for (const auto& [name, bytes] : before)
        if (!after.contains(name) || after.at(name) != bytes) lines += name + " has changed\n";
    for (const auto& [name, bytes] : after)
        if (!before.contains(name) && (allowed.empty() || !name.starts_with(allowed) || name.find(".tmp") != name.npos))
            lines += name + " is new\n";
    return lines;
}

struct Outcome {
    int status;
    std::string err;
};

// In a shell, in the scene's folder, and without what this shell knows of data.
Outcome type(const BadInput& input, const fs::path& scene, const fs::path& program, const fs::path& err) {
    const std::string script = "cd '" + scene.string() + "'; unset LULL_DATA; export HOME=/nowhere; PATH='" +
                               program.parent_path().string() + "':$PATH\n" + input.before + '\n' + input.command;
    const fs::path file = err.parent_path() / "script.sh";
    write_bytes(file, script + '\n');
    const int status = std::system(("sh " + file.string() + " </dev/null >/dev/null 2>" + err.string()).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_bytes(err)};
}

// The line with … for the numbers for which the table has it.
std::string without_figures(const std::string& line, const std::string& expected) {
    static const std::regex number("[0-9]([0-9.,]*[0-9])?");
    return expected.find("…") == expected.npos ? line : std::regex_replace(line, number, "…");
}

bool under_sanitizer() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

bool built_with_cuda() {
#ifdef LULL_WITH_CUDA
    return true;
#else
    return false;
#endif
}

std::string cell(const std::string& text) {
    std::string escaped;
    for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
    return "`" + escaped + "`";
}

std::string errors_page() {
    std::ostringstream page;
    page
        << "# What lull says when something is wrong\n\n"
           "One line on standard error, after `lull: `: what is wrong, what was expected, what to do. The exit status is 2 when\n"
           "the command line or a settings file is wrong, and 1 when something else is. No file is written over, and none is\n"
           "left half-written under its final name. A test goes through this table, line by line "
           "([bad_inputs.cpp](../tests/apps/bad_inputs.cpp)).\n";
    for (const BadInputs& group : bad_inputs()) {
        page << "\n## " << group.title << "\n\n| what is wrong | command | the line | status |\n|---|---|---|---|\n";
        for (const BadInput& input : group.cases)
            page << "| " << input.what << " | " << cell(input.command) << " | " << cell(input.line) << " | " << input.status
                 << " |\n";
    }
    return page.str();
}

}    // namespace

TEST_CASE("every bad input gets its line and its exit status, and nothing is lost") {
    const TemporaryFolder scene, tools;
    const fs::path program = tools / "lull";
    fs::copy_file(LULL_PROGRAM, program);    // where any user may run it
    fs::permissions(tools.path(), fs::perms(0755));
    fs::permissions(scene.path(), fs::perms(0755));
    make_scene(scene.path(), program);
    const auto before = contents(scene.path());

    int tried = 0;
    for (const BadInputs& group : bad_inputs()) {
        for (const BadInput& input : group.cases) {
            // Its own bookkeeping needs more address space than the limit leaves.
            if (under_sanitizer() && input.before.find("ulimit -v") != std::string::npos) continue;
            if (built_with_cuda() && input.line.find("no CUDA") != std::string::npos) continue;
            CAPTURE(input.what);
            CAPTURE(input.command);
            const Outcome outcome = type(input, scene.path(), program, tools / "err");
            CHECK(without_figures(outcome.err, input.line) == "lull: " + input.line + '\n');
            CHECK(outcome.status == input.status);
            CHECK(changes(before, scene.path(), input.leaves) == "");
            if (!input.leaves.empty()) fs::remove_all(scene / input.leaves);
            ++tried;
        }
    }
    CHECK(tried >= 60);
}

TEST_CASE("the table in docs is the tested one") {
    const fs::path page = source_dir() / "docs" / "errors.md";
    if (std::getenv("LULL_WRITE_DOCS") != nullptr) write_bytes(page, errors_page());
    const bool same = read_bytes(page) == errors_page();
    CHECK_MESSAGE(same, "docs/errors.md is out of date; with LULL_WRITE_DOCS=1 this test writes it");
}
