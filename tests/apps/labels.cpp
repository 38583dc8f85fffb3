#include "apps/lull/labels.h"

#include <doctest/doctest.h>

#include "tests/support/error_of.h"

using namespace lull;
using namespace lull::test;
using Labels = std::vector<std::int32_t>;

namespace {

const std::vector<std::string> kNames{"t-shirt", "trouser", "bag", "ankle boot"};

}    // namespace

TEST_CASE("labels are numbers, ranges and names, one per image or one for all") {
    CHECK(parse_labels("3", 4, 10) == Labels{3, 3, 3, 3});
    CHECK(parse_labels("0-2,9", 4, 10) == Labels{0, 1, 2, 9});
    CHECK(parse_labels("t-shirt,2-3,ankle boot", 4, 4, kNames) == Labels{0, 2, 3, 3});
    CHECK(parse_labels("bag", 2, 4, kNames) == Labels{2, 2});
}

TEST_CASE("labels that cannot be are errors that say what can") {
    const auto complaint = [](const char* text, std::span<const std::string> names = {}) {
        return error_of([&] { parse_labels(text, 3, 4, names); });
    };
    CHECK(complaint("4") == "[labels] expected classes from 0 to 3, got 4");
    CHECK(complaint("0,2-99999999999") == "[labels] expected classes from 0 to 3, got 99999999999");
    CHECK(complaint("0,1") == "[labels] expected one class, or one for each of the 3 images, got 2");
    CHECK(complaint("0-3") == "[labels] expected one class, or one for each of the 3 images, got more");
    for (const char* text : {"", ",", "1,", "-1", "3-1", "bag", "1 2", "1.5"})
        CHECK_MESSAGE(complaint(text).starts_with("[labels] expected classes such as 3 or 0-9,3, got '"), text);
    CHECK(complaint("trousers", kNames) ==
          "[labels] expected classes such as 3 or 0-9,3, or a name, got 'trousers'; did you mean 'trouser'? (t-shirt, trouser, "
          "bag, ankle boot)");
}

TEST_CASE("labels are written as they may be given") {
    CHECK(format_labels(Labels{3, 3, 3}) == "3");
    CHECK(format_labels(Labels{0, 1, 2, 9}) == "0-2,9");
    CHECK(format_labels(Labels{}).empty());
}
