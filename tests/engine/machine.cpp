#include "engine/machine.h"

#include <doctest/doctest.h>
#include <hwy/highway.h>

#include "tests/support/error_of.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("a processor without the instructions that lull was built for is an error") {
    CHECK_NOTHROW(check_machine());
    hwy::SetSupportedTargetsForTest(HWY_SCALAR);
    const std::string error = error_of([] { check_machine(); });
    hwy::SetSupportedTargetsForTest(0);
    CHECK(error.find("[machine] this program was built for ") == 0);
    CHECK_NOTHROW(check_machine());
}
