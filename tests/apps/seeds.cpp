#include "apps/lull/seeds.h"

#include <doctest/doctest.h>

#include "engine/error.h"

using namespace lull;
using Seeds = std::vector<std::uint64_t>;

TEST_CASE("seed lists are numbers and inclusive ranges, in the order given") {
    CHECK(parse_seeds("5") == Seeds{5});
    CHECK(parse_seeds("0-3") == Seeds{0, 1, 2, 3});
    CHECK(parse_seeds("7,0-2,12") == Seeds{7, 0, 1, 2, 12});
    CHECK(parse_seeds("18446744073709551615") == Seeds{18446744073709551615u});
    CHECK(parse_seeds("18446744073709551614-18446744073709551615").size() == 2);
}

TEST_CASE("what is no seed list is an error that quotes it") {
    for (const char* text :
         {"", ",", "1,", ",1", "a", "1-", "-1", "3-1", "1 2", "0-63x", "18446744073709551616", "0-99999999999"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_seeds(text), Error);
    }
}

TEST_CASE("a seed list is written as short as ranges make it") {
    for (const char* text : {"0-63", "5", "0-7,12", "3,0,2-4"}) CHECK(format_seeds(parse_seeds(text)) == text);
    CHECK(format_seeds(Seeds{1, 2, 3}) == "1-3");
}
