#include "apps/lull/toml.h"

#include <doctest/doctest.h>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

std::vector<TomlEntry> read(const std::string& text) {
    const TemporaryFolder folder;
    write_bytes(folder / "x.toml", text);
    return read_toml(folder / "x.toml");
}

// The error without the file's name.
std::string refusal(const std::string& text) {
    const std::string message = error_of([&] { read(text); });
    return message.substr(message.find(": ") + 2);
}

}    // namespace

TEST_CASE("settings are read as flags take them") {
    const auto entries = read(
        "# a comment\n"
        "\n"
        "steps = 1_300   # another\n"
        "lr=4e-3\r\n"
        "\tP-mean = -1.2\n"
        "\"quoted key\" = true\n"
        "data = \"a # b = \\\"c\\\"\\\\ \"\n"
        "save = 'C:\\x'\n"
        "seeds = [ 1, 2,   # of several lines\n"
        "  3, ]\n"
        "names = ['a', \"b\"]\n"
        "empty = \"\"\n"
        "rho = +7");
    const std::vector<std::array<std::string, 2>> expected{
        {"steps", "1300"}, {"lr", "4e-3"},     {"P-mean", "-1.2"}, {"quoted key", "true"}, {"data", "a # b = \"c\"\\ "},
        {"save", "C:\\x"}, {"seeds", "1,2,3"}, {"names", "a,b"},   {"empty", ""},          {"rho", "7"}};
    REQUIRE(entries.size() == expected.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        CHECK(entries[i].key == expected[i][0]);
        CHECK(entries[i].value == expected[i][1]);
    }
    CHECK(entries[4].line == 7);
    CHECK(entries.back().line == 13);
    CHECK(read("").empty());
    CHECK(read("\xef\xbb\xbfsteps = 3").front().key == "steps");    // a byte order mark
    CHECK(read("data = \"caf\\u00e9 \\u2192 \\U0001F600\\u0041\"").front().value == "café → 😀A");
    CHECK(read("\n# nothing\n").empty());
}

TEST_CASE("what is no TOML, or more of it than settings need, is refused with its line") {
    const std::string tables = "tables are not used here; write every setting as key = value, before any [table]";
    const std::vector<std::array<std::string, 2>> cases{
        {"steps", "line 1: expected key = value"},
        {"{\"steps\": 3}", "line 1: expected key = value"},
        {"\n\n= 3", "line 3: expected key = value"},
        {"steps =", "line 1: expected a value after '='"},
        {"steps = # none", "line 1: expected a value after '='"},
        {"steps = 1 2", "line 1: expected one value, and nothing after it; strings stand in quotes"},
        {"preset = s16", "line 1: expected a number, true, false or a string in quotes, got s16"},
        {"seeds = 0-7", "line 1: expected a number, true, false or a string in quotes, got 0-7"},
        {"preset = \"s16", "line 1: expected \" at the string's end"},
        {"preset = 's16\nbatch = 3", "line 1: expected ' at the string's end"},
        {"data = \"C:\\data\"", "line 1: unknown letter after '\\'; in a 'string' with single quotes, '\\' is itself"},
        {"data = \"\\u12\"", "line 1: expected the number of a letter after '\\u': 4 hexadecimal digits"},
        {"data = \"\\ud800\"", "line 1: expected the number of a letter after '\\u': 4 hexadecimal digits"},
        {"data = \"\\U00110000\"", "line 1: expected the number of a letter after '\\U': 8 hexadecimal digits"},
        {"data = \"\"\"x\"\"\"", "line 1: strings of several lines are not used here"},
        {"[train]\nsteps = 3", "line 1: " + tables},
        {"steps = 3\n[[runs]]", "line 2: " + tables},
        {"train.steps = 3", "line 1: dotted keys are not used here; a key is a flag's name"},
        {"train = {steps = 3}", "line 1: tables are not used here"},
        {"seeds = [1, 2", "line 1: expected ',' or ']' in an array"},
        {"seeds = [1 2]", "line 1: expected ',' or ']' in an array"},
        {"seeds = [[1], 2]", "line 1: arrays in arrays are not used here"},
        {"steps = 3\nsteps = 4", "line 2: 'steps' is there twice"},
        {std::string("PK\0\1", 4), "is no text: expected TOML, key = value on each line"},
    };
    for (const auto& [text, message] : cases) CHECK(refusal(text) == message);
    CHECK(error_of([] { read_toml("/nowhere/x.toml"); }) == "/nowhere/x.toml: no such file");
}

TEST_CASE("what is written reads back the same, to the last bit of a number") {
    const std::vector<double> numbers{0.1, 1.0 / 3, 0.7026147228, 4e-3, -1.2, 1e300, 5e-324, 1, std::nextafter(0.5, 1)};
    const nlohmann::json written{{"sample_every", 100}, {"preset", "a \"b\" \\ # c"}, {"xflip", false}, {"x", numbers}};
    const auto entries = read(to_toml(written));
    REQUIRE(entries.size() == 4);
    CHECK(entries[0].key == "preset");
    CHECK(entries[0].value == "a \"b\" \\ # c");
    CHECK(entries[1].key == "sample-every");
    CHECK(entries[1].value == "100");
    std::string rest = entries[2].value + ',';
    for (const double number : numbers) {
        CHECK(static_cast<double>(std::strtold(rest.c_str(), nullptr)) == number);
        rest.erase(0, rest.find(',') + 1);
    }
    CHECK(entries[3].value == "false");
    CHECK(to_toml({{"lr", 4e-3}}) == "lr = 0.004\n");
}
