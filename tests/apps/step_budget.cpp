#include "apps/lull/step_budget.h"

#include <doctest/doctest.h>

using namespace lull;

TEST_CASE("steps and their grids fit into the time, with less than a tenth left over") {
    for (const double seconds : {10.0, 60.0, 600.0, 3600.0}) {
        for (const std::int64_t every : {0, 50}) {
            const StepBudget budget{seconds, 0.028, 0.2, every};
            const std::int64_t steps = budget.steps();
            const double taken = double(steps) * 0.028 + double(budget.grids(steps)) * 0.2;
            CHECK(taken <= seconds);
            CHECK(taken > 0.9 * seconds);
        }
    }
    CHECK(StepBudget{2.81, 0.028, 0}.steps() == 100);
    CHECK(StepBudget{2.8, 0.028, 0, 50}.grids(100) == 0);
    CHECK(StepBudget{100, 0.1, 1, 50}.grids(101) == 3);    // after 50, 100 and the last
}

TEST_CASE("a time is said in words, also one that is too short") {
    CHECK(StepBudget{60, 0.5, 2, 50}.in_words(1) == "108 steps of 500 ms and 3 grids of 2 s fit into 1 minute");
    CHECK(StepBudget{-1, 0.028, 0.1}.in_words(0.001) ==
          "1 step of 28 ms and 1 grid of 100 ms, the least there is, take more than 0.001 minutes");
}
