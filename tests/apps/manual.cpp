// Help, manual page and completion: what the program says of itself.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/apps/workshop.h"
#include "tests/support/files.h"

using namespace lull::test;
namespace fs = std::filesystem;

namespace {

const std::vector<std::vector<std::string>> kCommands{{"train"},
                                                      {"sample"},
                                                      {"denoise"},
                                                      {"data"},
                                                      {"data", "stats"},
                                                      {"help"},
                                                      {"completion"},
                                                      {"man"},
                                                      {"noise-level"},
                                                      {"noise-level", "train"},
                                                      {"noise-level", "eval"}};

// In columns: a byte that continues a letter takes none.
std::size_t width(const std::string& line) {
    return static_cast<std::size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool installed(const std::string& program) { return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0; }

// What a shell command prints.
std::string output(const std::string& command) {
    const TemporaryFolder folder;
    const std::string file = (folder / "out").string();
    CHECK_MESSAGE(std::system(("( " + command + " ) >" + file + " 2>&1").c_str()) == 0, command);
    return read_bytes(file);
}

// What bash offers after these words, one per line.
std::string bash_offers(const fs::path& script, const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& word : words) all += " '" + word + "'";
    return output("bash -c \"source " + script.string() + "; COMP_WORDS=(" + all +
                  "); COMP_CWORD=" + std::to_string(words.size() - 1) + R"(; _lull; printf '%s\n' \"\${COMPREPLY[@]}\"")");
}

}    // namespace

TEST_CASE("help fits a terminal, names defaults, and has an example") {
    std::vector<std::vector<std::string>> commands = kCommands;
    commands.push_back({});
    for (std::vector<std::string> command : commands) {
        std::vector<std::string> help{"help"};
        help.insert(help.end(), command.begin(), command.end());
        command.push_back("--help");
        const Result result = run(command);
        CHECK(result.status == 0);
        CHECK(result.err.empty());
        CHECK(result.out == run(help).out);
        CHECK(result.out.find("Usage: lull") != std::string::npos);
        CHECK(result.out.find("Example") != std::string::npos);
        std::istringstream lines(result.out);
        for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(width(line) <= 100, line);
    }
    CHECK(run({"train", "--help"}).out.find("  --steps N               steps of the optimizer (default 1300)\n") !=
          std::string::npos);
}

TEST_CASE("help lists every command, and so does the manual") {
    const std::string help = run({"--help"}).out, manual = run({"man"}).out, markdown = run({"man", "--markdown"}).out;
    for (const std::vector<std::string>& command : kCommands) {
        CHECK(help.find("\n  " + command[0] + " ") != std::string::npos);
        std::string name;
        for (const std::string& word : command) name += ' ' + word;
        const std::string in_troff = std::regex_replace(name, std::regex("-"), "\\-");
        CHECK(manual.find("\n.SS lull" + in_troff + ' ') != std::string::npos);
        CHECK(markdown.find("\n## lull" + name + '\n') != std::string::npos);
    }
    CHECK(manual.find("\n.B \\-\\-sigma\\-min X\n") != std::string::npos);
    CHECK(markdown.find("\n| `--sigma-min X` | lowest noise level before 0 | `0.002` |\n") != std::string::npos);
}

TEST_CASE("the manual in docs is the program's") {
    const std::string printed = run({"man", "--markdown"}).out;
    const bool same = read_bytes(source_dir() / "docs" / "command.md") == printed;
    CHECK_MESSAGE(same, "docs/command.md is out of date: build/lull man --markdown > docs/command.md");
}

TEST_CASE("groff finds nothing wrong with the manual page") {
    if (!installed("groff")) {
        MESSAGE("[skipped] no groff");
        return;
    }
    const TemporaryFolder folder;
    write_bytes(folder / "lull.1", run({"man"}).out);
    const std::string page = output("groff -ww -man -Tascii -K utf8 -P -cbou " + (folder / "lull.1").string());
    CHECK(page.find("warning") == std::string::npos);
    CHECK(page.find("--steps N") != std::string::npos);
}

TEST_CASE("bash completes commands, options, names and files") {
    const TemporaryFolder folder;
    const fs::path script = folder / "lull.bash";
    write_bytes(script, run({"completion", "bash"}).out);
    fs::create_directory(folder / "a folder");
    write_bytes(folder / "a file", "");
    const std::string here = folder.path().string() + '/';
    CHECK(bash_offers(script, {"lull", "tr"}) == "train\n");
    CHECK(bash_offers(script, {"lull", "--vers"}) == "--version\n");
    CHECK(bash_offers(script, {"lull", "train", "--sample-"}) == "--sample-every\n--sample-count\n");
    CHECK(bash_offers(script, {"lull", "train", "--quiet", "--preset", ""}) == "s16\nm32\ntiny\nddim-cosine\n");
    CHECK(bash_offers(script, {"lull", "train", "--preset", "=", "m"}) == "m32\n");
    CHECK(bash_offers(script, {"lull", "sample", "x", "--sampler", "="}) == "euler\nancestral\nheun\nlms\nddim\n");
    CHECK(bash_offers(script, {"lull", "completion", "z"}) == "zsh\n");
    CHECK(bash_offers(script, {"lull", "help", "sa"}) == "sample\n");
    CHECK(bash_offers(script, {"lull", "noise-level", "train", "--target", ""}) == "logit\nalpha-bar\nln-sigma\n");
    CHECK(bash_offers(script, {"lull", "train", "--steps", ""}) == "\n");
    CHECK(bash_offers(script, {"lull", "train", "--outdir", here + "a"}) == here + "a folder\n");
    const std::string files = bash_offers(script, {"lull", "sample", here + "a f"});
    CHECK(files.find(here + "a folder\n") != std::string::npos);
    CHECK(files.find(here + "a file\n") != std::string::npos);
    CHECK(bash_offers(script, {"lull", "data", ""}) == "stats\n-h\n--help\n");
    CHECK(bash_offers(script, {"lull", "data", "stats", "--fit", ""}) == "crop\npad\nstretch\n");
    CHECK(bash_offers(script, {"lull", "data", "stats", here + "a f"}).find(here + "a folder\n") != std::string::npos);
    // An option of another command is not offered.
    CHECK(bash_offers(script, {"lull", "train", "--seeds"}) == "\n");
}

TEST_CASE("fish completes commands, options and names") {
    if (!installed("fish")) {
        MESSAGE("[skipped] no fish");
        return;
    }
    const TemporaryFolder folder;
    const std::string script = (folder / "lull.fish").string();
    write_bytes(script, run({"completion", "fish"}).out);
    const auto offers = [&](const std::string& line) {
        return output("HOME=" + folder.path().string() + " fish --no-config -c 'source " + script + "; complete -C \"" + line +
                      "\" | cut -f 1'");
    };
    CHECK(offers("lull tr") == "train\n");
    CHECK(offers("lull train --sample-") == "--sample-count\n--sample-every\n");
    CHECK(offers("lull sample x --sampler ") == "ancestral\nddim\neuler\nheun\nlms\n");
    CHECK(offers("lull completion ") == "bash\nfish\nzsh\n");
}

TEST_CASE("zsh completes commands, options and names") {
    if (!installed("zsh")) {
        MESSAGE("[skipped] no zsh");
        return;
    }
    const TemporaryFolder folder;
    write_bytes(folder / "_lull", run({"completion", "zsh"}).out);
    // A terminal in which someone types and presses Tab; what appears is read back.
    write_bytes(folder / "try.zsh", R"zsh(
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; unsetopt zle_bracketed_paste; zstyle ':completion:*' list-separator '='; LISTMAX=0"
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; bindkey '^I' complete-word; print READY''NOW"
zpty -r shell line '*READYNOW*'
zpty -w -n shell "lull $2"$'\t'
sleep 1
zpty -w -n shell $'\C-a: \C-e; print DO''NE\n'
zpty -r shell line '*DONE*'
print -r -- $line
)zsh");
    const auto shows = [&](const std::string& typed) {
        return output("zsh -f " + (folder / "try.zsh").string() + ' ' + folder.path().string() + " '" + typed + "'");
    };
    CHECK(shows("tr").find("lull train") != std::string::npos);
    CHECK(shows("train --weight").find("--weight-decay") != std::string::npos);
    CHECK(shows("train --preset m").find("m32") != std::string::npos);
}
