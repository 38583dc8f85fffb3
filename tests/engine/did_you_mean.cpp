#include "engine/did_you_mean.h"

#include <doctest/doctest.h>

namespace lull {

TEST_CASE("a slip, a name in capitals and a longer or shorter name have a nearest one, and nonsense has none") {
    const std::string_view samplers[] = {"euler", "ancestral", "heun", "lms", "ddim"}, objectives[] = {"edm", "eps", "v", "ve"};
    CHECK(nearest_name("huen", samplers) == "heun");
    CHECK(nearest_name("DDIM", samplers) == "ddim");
    CHECK(nearest_name("Ancestal", samplers) == "ancestral");
    CHECK(nearest_name("epsilon", objectives) == "eps");
    CHECK(nearest_name("anc", samplers) == "ancestral");
    CHECK(nearest_name("velocity", objectives).empty());
    CHECK(nearest_name("quantum", samplers).empty());
    CHECK(nearest_name("", samplers).empty());
    CHECK(nearest_name("euler", {}).empty());
    // Of two that are near the nearer one, capitals counting.
    const std::string_view both[] = {"Sigma", "sigma"};
    CHECK(nearest_name("sigmA", both) == "sigma");
    CHECK(did_you_mean("DDIM", samplers) == "; did you mean 'ddim'? (euler, ancestral, heun, lms, ddim)");
    CHECK(did_you_mean("quantum", samplers) == " (euler, ancestral, heun, lms, ddim)");
}

}    // namespace lull
